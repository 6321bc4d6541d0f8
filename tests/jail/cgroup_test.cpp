#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <set>

#include "base/sys.hpp"
#include "jailer/cgroup/group_files.hpp"
#include "jailer_world.hpp"
#include "own_mounts.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
using jailer::cgroup::Tree;
using jailer::cgroup::Version;

namespace {

/// A unit that runs this in /bin/sh, in the profile `default` unless `tables` say otherwise.
std::string shell(const std::string& script, const std::string& tables = "") {
    return "[service]\nexec_start = [\"/bin/sh\", \"-c\", '''" + script + "''']\n" + tables;
}
std::string limits(const std::string& keys) {
    return "[jail.cgroups]\n" + keys + "\n";
}
constexpr int kManyLooks = 100'000;
constexpr const char* kSleep = "exec sleep 1000";

bool has_controller(const Tree& tree, const char* name) {
    return std::ranges::any_of(tree.controllers(), [&](const auto& c) { return c.name == name; });
}

/// Whether this machine lets us make control groups with these controllers; says why if not.
bool can_limit(std::initializer_list<const char*> controllers) {
    if (::geteuid() != 0) {
        WARN("skipped: jails need root");
        return false;
    }
    const Tree tree = JailerWorld::groups();
    for (const char* name : controllers) {
        if (has_controller(tree, name)) continue;
        WARN("skipped: there is no " << name << " controller for our groups here");
        return false;
    }
    if (!tree.why_not().empty()) {
        WARN("skipped: " << tree.why_not());
        return false;
    }
    return true;
}

/// What is left of ours in any hierarchy, by name.
std::set<std::string> groups_left(const std::string& name) {
    std::set<std::string> left;
    std::error_code error;
    const std::filesystem::recursive_directory_iterator begin("/sys/fs/cgroup", error);
    for (const auto& entry : begin) {
        if (entry.is_directory() && entry.path().filename() == name) left.insert(entry.path());
    }
    return left;
}

/// The name of the group that this process's jailers make; see JailerWorld::groups.
std::string own_name() {
    Tree tree = JailerWorld::groups();
    return std::filesystem::path(tree.place_of("").directory).filename();
}

bool is_gone(pid_t pid) {
    return ::kill(pid, 0) == -1 && errno == ESRCH;
}

/// A process outside of all jails, in a group of this directory.
pid_t spawn_into(const std::string& directory) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const pid_t pid = ::fork();
    if (pid == 0) {
        (void)sys::write_file(directory + "/cgroup.procs", "0");
        (void)!::write(writer.get(), "", 1);
        for (;;) ::pause();
    }
    writer = Fd();
    char there = 1;
    REQUIRE(::read(reader.get(), &there, 1) == 1);  // or its end
    REQUIRE(!jailer::cgroup::processes_in(directory).empty());
    return pid;
}

}  // namespace

TEST_CASE("cgroup: a unit's processes and its jail's init are in a group of its own",
          "[jail][cgroup][S4.9]") {
    if (!can_limit({})) return;
    {
        JailerWorld world;
        world.write_unit("web", shell(kSleep));
        world.start_jailer();
        world.start(1, "web");
        const pid_t main = world.wait_started(1).pid;
        Tree tree = JailerWorld::groups();
        CHECK(tree.contains("web", main));
        CHECK(tree.contains("web", world.processes.at(1 | ipc::kStubBit).pid));
        CHECK_FALSE(tree.contains("web", ::getpid()));  // control
        CHECK(tree.processes("web").size() == 2);
        CHECK(world.count_processes("web") == 1);  // without the jail's init
    }
    CHECK(groups_left(own_name()).empty());
}

TEST_CASE("cgroup: limits are in force before the program begins", "[jail][cgroup][S4.9]") {
    if (!can_limit({"memory", "pids"})) return;
    JailerWorld world;
    const std::string hog = "exec dd if=/dev/zero of=/dev/null bs=64M count=1";
    const std::string bomb = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; exit 0";
    world.write_unit("hog", shell(hog, limits("memory_max = \"32M\"\nmemory_swap_max = 0")));
    world.write_unit("free-hog", shell(hog, limits("memory_max = 0")));
    world.write_unit("bomb", shell(bomb, limits("tasks_max = 8")));
    world.write_unit("free-bomb", shell(bomb, limits("tasks_max = 0")));
    world.start_jailer();
    ipc::Token token = 0;
    for (const char* unit : {"hog", "free-hog", "bomb", "free-bomb"}) {
        INFO(unit);
        world.start(++token, unit);
        world.wait_started(token);
        const int status = world.wait_exit(token);
        const bool free = std::string(unit).starts_with("free");
        CHECK((status == 0) == free);
        world.teardown(token, unit);
        world.wait_torn_down(token);
    }
}

TEST_CASE("cgroup: a limit that cannot be had keeps the program from running",
          "[jail][cgroup][S2.10]") {
    if (!can_limit({"memory"})) return;
    const Tree tree = JailerWorld::groups();
    JailerWorld world;
    const auto& memory =
        *std::ranges::find_if(tree.controllers(), [](const auto& c) { return c.name == "memory"; });
    if (memory.version == Version::kV2) {
        WARN("skipped: memory_high can be had on cgroup v2; see delegated_test.cpp");
        return;
    }
    const std::string high = limits("memory_high = \"1G\"");
    world.write_unit("strict", shell(kSleep, high));
    world.write_unit("easy",
                     shell(kSleep, "[jail]\noptional = [\"cgroups.memory_high\"]\n" + high));
    world.write_unit("whole", shell(kSleep, "[jail]\noptional = [\"cgroups\"]\n" + high));
    world.start_jailer();
    world.start(1, "strict");
    const auto failure = world.wait_failed(1);
    CHECK(ipc::get_text(failure.plugin) == "cgroups");
    CHECK(ipc::get_text(failure.operation) == "cgroup");
    CHECK(ipc::get_text(failure.text).find("memory.high") != std::string_view::npos);
    world.start(2, "easy");
    CHECK(world.wait_started(2).weakened == 1);
    world.start(3, "whole");
    CHECK(world.wait_started(3).weakened == 1);
}

TEST_CASE("cgroup: without v2 controllers, or without v1, a unit runs all the same",
          "[jail][cgroup][alone][S4.9]") {
    if (!can_limit({})) return;
    const auto run = [](bool limited) {
        JailerWorld world;
        world.write_unit("web", shell("setsid sleep 1000 & exec sleep 1000"));
        world.write_unit("small", shell(kSleep, limits("memory_max = \"64M\"")));
        world.start_jailer();
        world.start(1, "web");
        const pid_t main = world.wait_started(1).pid;
        Tree tree = JailerWorld::groups();
        REQUIRE(tree.contains("web", main));
        world.start(2, "small");
        REQUIRE(world.wait_answered(2) == limited);
        world.teardown(1, "web");
        world.wait_torn_down(1);
        REQUIRE(tree.processes("web").empty());
    };
    SECTION("a machine that has v2 alone") {
        Tree tree = JailerWorld::groups();
        bool limited = false;
        for (const auto& c : tree.controllers()) {
            limited = limited || (c.name == "memory" && c.version == Version::kV2);
        }
        if (!limited) WARN("skipped: controllers on v2: this machine has them on v1");
        in_own_mounts(show_only_v2, [&] { run(limited); });
    }
    SECTION("a machine that has v1 alone") {
        if (::access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) != 0) {
            WARN("skipped: there is no v2 tree beside v1 here");
            return;
        }
        in_own_mounts(hide_v2, [&] { run(true); });
    }
    SECTION("a machine without control groups") {
        in_own_mounts(
            [] {
                while (::umount2("/sys/fs/cgroup", MNT_DETACH) == 0) {
                }
            },
            [] {
                JailerWorld world;
                world.write_unit("web", shell(kSleep));
                world.write_unit("small", shell(kSleep, limits("memory_max = \"64M\"")));
                world.start_jailer();
                world.start(1, "web");
                (void)world.wait_started(1);
                world.start(2, "small");
                const auto failure = world.wait_failed(2);
                REQUIRE(ipc::get_text(failure.text).find("no memory controller") !=
                        std::string_view::npos);
            });
    }
    CHECK(groups_left(own_name()).empty());
}

TEST_CASE("cgroup: a stop ends what forks as fast as it can", "[jail][cgroup][S0.17]") {
    if (!can_limit({})) return;
    const std::string bomb =
        "forks() { while :; do sh -c 'sleep 1000 & sleep 1000' & sleep 0.01; done; }; forks & "
        "forks";
    const auto run = [&] {
        JailerWorld world;
        world.write_unit("web", shell(bomb, "[jail]\nprofile = \"host\"\n"));
        world.start_jailer();
        world.start(1, "web");
        (void)world.wait_started(1);
        Tree tree = JailerWorld::groups();
        int looks = 0;
        while (tree.processes("web").size() < 20 && ++looks < kManyLooks) {
            (void)world.count_processes("web");
        }
        REQUIRE(looks < kManyLooks);
        world.teardown(1, "web");
        world.wait_torn_down(1);
        REQUIRE(tree.processes("web").empty());
    };
    SECTION("by cgroup.kill, or whatever the machine has") {
        run();
    }
    SECTION("by the freezer of v1") {
        if (::access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) != 0) {
            WARN("skipped: there is no v2 tree beside v1 here");
            return;
        }
        in_own_mounts(hide_v2, run);
    }
}

TEST_CASE("cgroup: the group stays for a restart and goes with the unit", "[jail][cgroup]") {
    if (!can_limit({})) return;
    JailerWorld world;
    world.write_unit("web", shell(kSleep));
    world.start_jailer();
    Tree tree = JailerWorld::groups();
    const auto inode = [&] {
        struct stat info{};
        REQUIRE(::stat(tree.directory_of("web", "").c_str(), &info) == 0);
        return info.st_ino;
    };
    world.start(1, "web");
    (void)world.wait_started(1);
    const ino_t first = inode();
    world.teardown(1, "web");
    world.wait_torn_down(1);
    CHECK(inode() == first);
    world.start(2, "web");
    (void)world.wait_started(2);
    CHECK(inode() == first);
    world.teardown(2, "web");
    world.wait_torn_down(2);
    auto forget = ipc::make<ipc::Forget>();
    ipc::set_text(forget.unit, "web");
    world.send(forget);
    (void)world.count_processes("web");  // a round trip
    CHECK_FALSE(JailerWorld::groups().has("web"));
}

TEST_CASE("cgroup: a new jailer sweeps the groups that nothing owns, and no others",
          "[jail][cgroup][chaos]") {
    if (!can_limit({})) return;
    JailerWorld world;
    world.write_unit("web", shell(kSleep));
    world.start_jailer();
    world.start(1, "web");
    const pid_t main = world.wait_started(1).pid;
    world.kill_jailer();
    Tree tree = JailerWorld::groups();
    const std::string parent = std::filesystem::path(tree.directory_of("web", "")).parent_path();
    const std::string ghost = parent + "/ghost.unit";
    const std::string other = std::filesystem::path(parent).parent_path().string() + "/jailsvc-not";
    REQUIRE(jailer::cgroup::make_group(ghost));
    REQUIRE(jailer::cgroup::make_group(other));
    const pid_t left = spawn_into(ghost);
    const pid_t stranger = spawn_into(other);
    world.start_jailer();
    CHECK(world.count_processes("web") == 1);
    int status = 0;
    CHECK(::waitpid(left, &status, 0) == left);
    CHECK(WIFSIGNALED(status));
    if (::access(ghost.c_str(), F_OK) == 0) CHECK(jailer::cgroup::remove_group(ghost));
    CHECK(tree.contains("web", main));
    CHECK_FALSE(is_gone(stranger));
    (void)::kill(stranger, SIGKILL);
    CHECK(::waitpid(stranger, &status, 0) == stranger);
    CHECK(jailer::cgroup::remove_group(other));
}

TEST_CASE("cgroup: a supervisor in a group of its own makes its groups there", "[jail][cgroup]") {
    if (!can_limit({"memory"})) return;
    Tree outer = JailerWorld::groups();
    const std::string nested =
        std::filesystem::path(outer.place_of("").directory).parent_path().string() +
        "/jailsvc-nested";
    REQUIRE(jailer::cgroup::make_group(nested));
    in_own_mounts([&] { REQUIRE(sys::write_file(nested + "/cgroup.procs", "0")); },
                  [&] {
                      JailerWorld world;
                      world.write_unit("web", shell(kSleep));
                      world.start_jailer();
                      world.start(1, "web");
                      const pid_t main = world.wait_started(1).pid;
                      Tree tree = JailerWorld::groups();
                      REQUIRE(tree.directory_of("web", "").starts_with(nested + "/"));
                      REQUIRE(tree.contains("web", main));
                  });
    CHECK(jailer::cgroup::remove_group(nested));
}

TEST_CASE("cgroup: a jail with a cgroup namespace sees its own group as the root",
          "[jail][cgroup]") {
    if (!can_limit({})) return;
    JailerWorld world;
    // Its own group is the root of what it sees; outside that the path would begin with "/..".
    world.write_unit("web", shell("while read -r line; do case $line in 0::/) exit 0;; esac; done "
                                  "</proc/self/cgroup; exit 1"));
    world.write_unit("open", shell("while read -r line; do case $line in 0::/) exit 0;; esac; done "
                                   "</proc/self/cgroup; exit 1",
                                   "[jail.namespaces]\ncgroup = false\n"));
    world.start_jailer();
    world.start(1, "web");
    CHECK(world.wait_exit(1) == 0);
    world.start(2, "open");
    CHECK(world.wait_exit(2) != 0);  // control
}
