#include "jailer/jail/landlock_cure.hpp"

#include <fmt/format.h>

namespace jailsvc::jailer {
namespace {

struct Part {
    const char* what;
    landlock::Rights rights;
    int version;
    const char* kernel;
};

// landlock(7) and the kernel's userspace-api/landlock.rst.
constexpr Part kParts[] = {
    {"paths", {landlock::kAllFs & ~landlock::kRefinements, 0, 0}, 3, "6.2"},
    {"TCP ports", {0, landlock::kTcp, 0}, 4, "6.7"},
    {"a scope", {0, 0, landlock::kAllScopes}, 6, "6.12"},
    {"UDP ports", {0, landlock::kUdp, 0}, 10, "7.2"},
};

}  // namespace

std::string landlock_cure(const landlock::Rights& wanted, long abi) {
    std::string text = abi > 0 ? fmt::format("this kernel's Landlock has version {}", abi)
                               : std::string(
                                     "this kernel has no Landlock, or it is switched off "
                                     "(lsm= of its command line)");
    for (const Part& part : kParts) {
        if (abi >= part.version || is_empty(common(wanted, part.rights))) continue;
        text += fmt::format(", {} need{} {} (Linux {})", part.what,
                            std::string_view(part.what).ends_with('s') ? "" : "s", part.version,
                            part.kernel);
    }
    return text +
           "; list \"unveil.landlock\" in [jail] optional to do without it, or use a newer kernel";
}

}  // namespace jailsvc::jailer
