#include "jailer/run.hpp"
namespace jailsvc::jailer {
int run(const Places&) { return 1; }
int verify(const std::vector<std::string>&) { return 1; }
}
