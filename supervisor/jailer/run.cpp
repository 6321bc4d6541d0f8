#include "jailer/run.hpp"
namespace jailsvc::jailer {
int run(const Places&) { return 1; }
}
