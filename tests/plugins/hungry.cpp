// Takes all the memory it can get while it plans, with operator new: the exception leaves plan.
#include <cstring>

#include <jailsvc_plugin.h>

namespace {

int plan(const jsv_host*) {
    constexpr std::size_t kBlock = std::size_t{16} << 20;
    for (;;) std::memset(new char[kBlock], 1, kBlock);
}

constexpr jsv_plugin kHungry = {
    .size = sizeof(jsv_plugin),
    .abi_major = JSV_ABI_MAJOR,
    .abi_minor = JSV_ABI_MINOR,
    .key_count = 0,
    .name = "hungry",
    .version = "1",
    .doc = "For tests.",
    .keys = nullptr,
    .plan = plan,
    .prepare = nullptr,
    .started = nullptr,
    .stats = nullptr,
    .doctor = nullptr,
    .teardown = nullptr,
    .table = nullptr,
    .companion = nullptr,
};

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kHungry;
}
