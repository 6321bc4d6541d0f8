#pragma once

#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <functional>
#include <span>

#include "in_child.hpp"

/// What a process that has confined itself tries in vain, and can do before.
namespace jailsvc::test {

struct Attempt {
    const char* what;
    int (*act)();  ///< 0, or the errno of the refusal
    int refusal;
    bool by_landlock = false;
    bool may_be_forbidden = false;  ///< by the host to everybody: then it is no control
};

inline int as_errno(long result) {
    return result == -1 ? errno : 0;
}

/// 0 or less: the kernel has none.
inline long landlock_version() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/// Prepares the child, confined or not; false: it could not.
using Enter = std::function<bool(bool confined)>;
constexpr int kNotEntered = 250;

inline int outcome_of(int (*act)(), bool confined, const Enter& enter) {
    return in_child([&] { return enter(confined) ? act() : kNotEntered; });
}

/// Each of them is refused to the confined child, and not to the other. `Ground`, what they are
/// tried on, is made anew each time.
template <typename Ground>
void check_refused(std::span<const Attempt> attempts, long needed_landlock, const Enter& enter) {
    for (const Attempt& attempt : attempts) {
        if (attempt.by_landlock && landlock_version() < needed_landlock) {
            WARN("skipped: " << attempt.what << ": this kernel's Landlock is absent or too old");
            continue;
        }
        INFO(attempt.what);
        {
            const Ground ground;
            CHECK(outcome_of(attempt.act, true, enter) == attempt.refusal);
        }
        const Ground ground;
        const int free = outcome_of(attempt.act, false, enter);  // the control
        if (attempt.may_be_forbidden && free != 0) {
            WARN("skipped: the control: this host refuses it to everybody: " << attempt.what);
        } else {
            CHECK(free == 0);
        }
    }
}

}  // namespace jailsvc::test
