// A supervisor that was given a group of version 2 with controllers, as by systemd's Delegate=yes.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "base/sys.hpp"
#include "in_child.hpp"
#include "jailer/cgroup/group_files.hpp"
#include "jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
namespace cgroup = jailer::cgroup;

namespace {

constexpr const char* kSleep = "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n";
const std::string kLimited = std::string(kSleep) + "[jail.cgroups]\nmemory_max = \"64M\"\n";

/// A group beside those of this process's supervisors, with what may be handed on; empty where
/// there is none to be had, which is said.
std::string make_delegated() {
    if (::geteuid() != 0) {
        WARN("skipped: jails need root");
        return {};
    }
    const auto place = JailerWorld::groups().place_of("memory");
    if (place.version != cgroup::Version::kV2 || place.directory.empty()) {
        WARN("skipped: controllers on v2: this machine has them on v1");
        return {};
    }
    const std::string above = std::filesystem::path(place.directory).parent_path();
    const std::string group = above + "/jailsvc-delegated";
    REQUIRE(cgroup::make_group(group));
    if (!sys::write_file(above + "/cgroup.subtree_control", "+memory")) {
        WARN("skipped: " << above << " hands on no controllers");
        REQUIRE(cgroup::remove_group(group));
        return {};
    }
    return group;
}

/// Runs it in a process of its own in that group, as a supervisor is started.
void run_in(const std::string& group, const std::function<void()>& body) {
    CHECK(in_child([&] {
              REQUIRE(sys::write_file(group + "/cgroup.procs", "0"));
              body();
              return 0;
          }) == 0);
}

std::string own_group() {
    return sys::read_file("/proc/self/cgroup").value_or("");
}

}  // namespace

TEST_CASE("delegated: limits are had, and the group is as it was at the end", "[jail][cgroup]") {
    const std::string group = make_delegated();
    if (group.empty()) return;
    run_in(group, [&] {
        const std::string at_first = own_group();
        {
            JailerWorld world;
            world.write_unit("web", kLimited);
            world.start_jailer();
            world.start(1, "web");
            REQUIRE(world.wait_started(1).weakened == 0);
            // Controls: it has moved, and hands the controller on.
            REQUIRE(own_group() != at_first);
            REQUIRE(cgroup::has_word(group + "/cgroup.subtree_control", "memory"));
            REQUIRE(cgroup::groups_in(group).size() == 1);
        }
        REQUIRE(own_group() == at_first);
        REQUIRE(cgroup::words_of(group + "/cgroup.subtree_control").empty());
        REQUIRE(cgroup::groups_in(group).empty());
    });
    CHECK(cgroup::remove_group(group));
}

TEST_CASE("delegated: with a stranger in the group no limit can be had, and that is said",
          "[jail][cgroup][S2.10]") {
    const std::string group = make_delegated();
    if (group.empty()) return;
    const pid_t stranger = ::fork();
    if (stranger == 0) {
        for (;;) ::pause();
    }
    REQUIRE(sys::write_file(group + "/cgroup.procs", std::to_string(stranger)));
    run_in(group, [&] {
        JailerWorld world;
        world.write_unit("strict", kLimited);
        world.write_unit("easy", kLimited + "[jail]\noptional = [\"cgroups.memory_max\"]\n");
        world.write_unit("free", kSleep);
        world.start_jailer();
        world.start(1, "strict");
        const auto failure = world.wait_failed(1);
        REQUIRE(ipc::get_text(failure.plugin) == "cgroups");
        REQUIRE(ipc::get_text(failure.text).find("Delegate=yes") != std::string_view::npos);
        world.start(2, "easy");
        REQUIRE(world.wait_started(2).weakened == 1);
        world.start(3, "free");
        REQUIRE(world.wait_started(3).weakened == 0);
    });
    (void)::kill(stranger, SIGKILL);
    CHECK(::waitpid(stranger, nullptr, 0) == stranger);
    CHECK(cgroup::remove_group(group));
}
