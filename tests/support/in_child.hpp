#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>

namespace jailsvc::test {

/// Runs it in a process of its own, for what cannot be undone, and returns the exit code: what
/// `body` returns, or 1 if a REQUIRE in it fails.
inline int in_child(const std::function<int()>& body) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        try {
            ::_exit(body());
        } catch (...) {
            ::_exit(1);
        }
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

}  // namespace jailsvc::test
