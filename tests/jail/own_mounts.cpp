#include "own_mounts.hpp"

#include <sched.h>
#include <sys/mount.h>

#include <catch2/catch.hpp>

#include "in_child.hpp"

namespace jailsvc::test {

void in_own_mounts(const std::function<void()>& arrange, const std::function<void()>& body) {
    CHECK(in_child([&] {
              REQUIRE(::unshare(CLONE_NEWNS) == 0);
              REQUIRE(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
              arrange();
              body();
              return 0;
          }) == 0);
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
