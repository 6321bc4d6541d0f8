#include "logger/run.hpp"
namespace jailsvc::logger {
int run(const Places&) { return 1; }

}
