#include "own_mounts.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace jailsvc::test {

void in_own_mounts(const std::function<void()>& arrange, const std::function<void()>& body) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        try {
            REQUIRE(::unshare(CLONE_NEWNS) == 0);
            REQUIRE(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
            arrange();
            body();
        } catch (...) {
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

void show_only_v2() {
    while (::umount2("/sys/fs/cgroup", MNT_DETACH) == 0) {
    }
    REQUIRE(::mount("cgroup", "/sys/fs/cgroup", "cgroup2", 0, nullptr) == 0);
}
void hide_v2() {
    REQUIRE(::umount2("/sys/fs/cgroup/unified", MNT_DETACH) == 0);
}

}  // namespace jailsvc::test
