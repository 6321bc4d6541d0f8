#include "jailer/loop/invocation.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "base/digest.hpp"
#include "base/sys.hpp"
#include "jailer/loop/processes.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kDigits = 32;

/// Of the keeper: a token means nothing without it.
std::string describe_keeper() {
    const auto boot = sys::read_file("/proc/sys/kernel/random/boot_id");
    const pid_t keeper = ::getppid();
    return fmt::format("{} {} {}", boot.value_or(""), keeper, start_time_of(keeper));
}

}  // namespace

std::string invocation_id(const std::string& unit, ipc::Token token) {
    static const std::string kKeeper = describe_keeper();
    return to_hex(digest_of(fmt::format("{} {} {}", kKeeper, token, unit))).substr(0, kDigits);
}

}  // namespace jailsvc::jailer
