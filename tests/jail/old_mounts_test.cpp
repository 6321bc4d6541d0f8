#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

namespace {

constexpr const char* kSleep = "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n";
constexpr const char* kLimited = "[jail.cgroups]\nmemory_max = \"64M\"\n";
constexpr int kPatienceMs = 10'000;

bool skipped(const char* why) {
    WARN("skipped: " << why);
    return true;
}

bool skipped_without_root() {
    return ::geteuid() != 0 && skipped("jails need root");
}

bool is_readable(const Fd& fd, int patience_ms) {
    pollfd waiting{fd.get(), POLLIN, 0};
    return ::poll(&waiting, 1, patience_ms) == 1;
}

/// Becomes readable when the jail's own /tmp is no more: with its super block the watch ends
/// (inotify(7), IN_UNMOUNT).
Fd watch_tmp(pid_t init) {
    Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    REQUIRE(watch);
    const std::string tmp = "/proc/" + std::to_string(init) + "/root/tmp";
    REQUIRE(::inotify_add_watch(watch.get(), tmp.c_str(), IN_CREATE) != -1);
    return watch;
}

/// The watch on the /tmp of a jail that was started and has been torn down.
Fd watch_a_teardown(JailerWorld& world, bool restarts) {
    world.start(1, "web");
    world.wait_started(1);
    const pid_t init = world.processes.at(1 | ipc::kStubBit).pid;
    Fd watch = watch_tmp(init);
    CHECK_FALSE(is_readable(watch, 0));  // control
    REQUIRE(::kill(world.processes.at(1).pid, SIGKILL) == 0);
    world.wait_exit(1);
    auto message = ipc::make<ipc::Teardown>();
    message.token = 1;
    message.restarts = restarts ? 1 : 0;
    ipc::set_text(message.unit, "web");
    world.send(message);
    world.wait_torn_down(1);
    CHECK(::kill(init, 0) == -1);  // what ran is gone in any case
    return watch;
}

}  // namespace

TEST_CASE("jailer: the mounts of a stopped jail are gone when that is told", "[jail][S0.17]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.write_unit("web", kSleep);
    world.start_jailer();
    CHECK(is_readable(watch_a_teardown(world, false), 0));
}

TEST_CASE("jailer: those of a jail that starts again go later, and do go", "[jail][S0.17]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.write_unit("web", kSleep);
    world.start_jailer();
    const Fd watch = watch_a_teardown(world, true);
    world.start(2, "web");
    world.wait_started(2);
    CHECK(is_readable(watch, kPatienceMs));
    world.teardown(2, "web");
    world.wait_torn_down(2);
}

TEST_CASE("jailer: where memory is limited they are gone before the next start", "[jail]") {
    if (skipped_without_root()) return;
    const bool limits = !JailerWorld::groups().place_of("memory").directory.empty();
    if (!limits && skipped("no memory controller")) return;
    JailerWorld world;
    world.write_unit("web", std::string(kSleep) + kLimited);
    world.start_jailer();
    CHECK(is_readable(watch_a_teardown(world, true), 0));
}
