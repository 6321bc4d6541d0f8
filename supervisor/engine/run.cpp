#include "engine/run.hpp"
namespace jailsvc::engine {
int run(const Places&) { return 1; }

}
