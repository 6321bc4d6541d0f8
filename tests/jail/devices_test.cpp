#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "jailer/cgroup/device_program.hpp"
#include "jailer/cgroup/devices.hpp"
#include "jailer_world.hpp"
#include "own_mounts.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

namespace {

const dev_t kLog = makedev(1, 11);  // /dev/kmsg, wherever its node lies

std::string shell(const std::string& script, const std::string& tables) {
    return "[service]\nexec_start = [\"/bin/sh\", \"-c\", \"" + script + "\"]\n" + tables;
}

/// How the program of that unit ended.
int run(JailerWorld& world, ipc::Token token, const std::string& unit) {
    world.start(token, unit);
    (void)world.wait_started(token);
    const int status = world.wait_exit(token);
    world.teardown(token, unit);
    world.wait_torn_down(token);
    return status;
}

std::string host_with(const std::string& devices) {
    return "[jail]\nprofile = \"host\"\n[jail.cgroups]\ndevices = [" + devices + "]\n";
}
std::string quoted(const std::string& text) {
    return '"' + text + '"';
}

/// Nodes in the host's own tree, that a unit without any jail but this list may or may not use.
void use_nodes() {
    JailerWorld world;
    const std::string node = world.root + "/log";
    REQUIRE(::mknod(node.c_str(), S_IFCHR | 0600, kLog) == 0);
    const std::string open = "exec 3<" + node;
    const std::string make = "mknod " + world.root + "/made c 1 11 && rm " + world.root + "/made";
    const struct {
        const char* unit;
        std::string script;
        std::string devices;
        bool works;
    } cases[] = {{"closed", open, quoted("/dev/null rw"), false},
                 {"empty", open, "", false},
                 {"named", open, quoted(node + " r"), true},
                 {"written", "exec 3>>" + node, quoted(node + " r"), false},
                 {"kind", open, quoted("char-mem r"), true},
                 {"free", open, quoted("all"), true},
                 {"maker", make, quoted(node + " rw"), false},
                 {"may-make", make, quoted(node + " rwm") + ", " + quoted("char-mem rw"), true},
                 {"free-maker", make, quoted("all"), true}};
    for (const auto& one : cases) {
        world.write_unit(one.unit, shell(one.script, host_with(one.devices)));
    }
    world.start_jailer();
    ipc::Token token = 0;
    for (const auto& one : cases) {
        INFO(one.unit);
        const bool ended_well = run(world, ++token, one.unit) == 0;
        REQUIRE(ended_well == one.works);
    }
}

/// A jail with a /dev of its own, and the right to make nodes.
void make_in_jail() {
    JailerWorld world;
    const std::string able =
        "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"root\"\ncapabilities = "
        "[\"mknod\"]\n"
        "ambient_capabilities = [\"mknod\"]\n";
    const std::string all = "[jail.cgroups]\ndevices = [\"all\"]\n";
    const std::string make = "mknod /tmp/log c 1 11";
    world.write_unit("plain", shell(make, able));
    world.write_unit("free", shell(make, able + all));
    world.write_unit("own", shell(": </dev/null && : </dev/zero && : </dev/urandom && "
                                  "mknod /tmp/n c 1 3",
                                  able));
    world.start_jailer();
    REQUIRE(run(world, 1, "plain") != 0);
    REQUIRE(run(world, 2, "free") == 0);  // control
    REQUIRE(run(world, 3, "own") == 0);
}

bool can_list() {
    if (::geteuid() != 0) {
        WARN("skipped: jails need root");
        return false;
    }
    const auto program = jailer::cgroup::load_device_program(jailer::cgroup::to_program({}));
    if (!program) WARN("skipped: " << program.error().message);
    return program.has_value();
}

bool has_v1_devices() {
    if (::geteuid() != 0) {
        WARN("skipped: jails need root");
        return false;
    }
    if (::access("/sys/fs/cgroup/devices/devices.list", F_OK) == 0) return true;
    WARN("skipped: there is no devices controller of v1 here");
    return false;
}

}  // namespace

TEST_CASE("devices: what is not listed cannot be opened or made, wherever its node is",
          "[jail][cgroup][S4.9]") {
    SECTION("by a program in cgroup v2") {
        if (can_list()) use_nodes();
    }
    SECTION("by the controller of v1") {
        if (has_v1_devices()) in_own_mounts(hide_v2, use_nodes);
    }
}

TEST_CASE("devices: a jail with its own /dev has those and no others, though it may make nodes",
          "[jail][cgroup]") {
    SECTION("by a program in cgroup v2") {
        if (can_list()) make_in_jail();
    }
    SECTION("by the controller of v1") {
        if (has_v1_devices()) in_own_mounts(hide_v2, make_in_jail);
    }
}

TEST_CASE("devices: a new jailer knows the list that an earlier one set", "[jail][cgroup]") {
    if (!can_list()) return;
    JailerWorld world;
    world.write_unit("web",
                     "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n"
                     "exec_reload = [\"/bin/true\"]\n");
    world.start_jailer();
    world.start(1, "web");
    (void)world.wait_started(1);
    world.kill_jailer();
    world.start_jailer();
    auto reload = ipc::make<ipc::Start>();
    reload.token = 2;
    reload.main_token = 1;
    reload.purpose = ipc::Purpose::kReload;
    ipc::set_text(reload.unit, "web");
    const Digest digest = world.digest_of_unit("web");
    std::ranges::copy(digest, reload.digest);
    world.send(reload);
    (void)world.wait_started(2);  // attested
}
