#include "exposure.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace jailsvc::ctl;

namespace {

Json operation(const char* name, Json fields = Json::object(), const char* plugin = "chroot") {
    fields["operation"] = name;
    fields["plugin"] = plugin;
    fields.emplace("optional", false);
    fields.emplace("flags", Json::array());
    return fields;
}

/// What a unit of profile host has.
Json unconfined() {
    return {{"operations",
             {operation("ids", {{"uid", "0"}, {"gid", "0"}}, "identity"),
              operation("capabilities", {{"bounding", "1ffffffffff"}}, "identity")}}};
}

/// Every wall there is.
Json confined() {
    Json ops = Json::array();
    for (const char* type : {"pid", "mount", "ipc", "uts", "cgroup", "net"}) {
        ops.push_back(operation("namespace", {{"type", type}}, "namespaces"));
    }
    ops.push_back(operation("network", {{"interfaces", "none"}}, "network"));
    ops.push_back(operation("root", {{"source", "/"}, {"flags", {"ro"}}}));
    ops.push_back(operation("dev", {{"target", "/dev"}}));
    ops.push_back(operation("view", Json::object(), "unveil"));
    ops.push_back(operation("landlock", {{"fs", "all"}, {"scope", "abstract_sockets"}}, "unveil"));
    for (const char* file : {"memory.max", "pids.max", "cpu.max"}) {
        ops.push_back(operation("cgroup", {{"file", file}, {"value", "1"}}, "cgroups"));
    }
    ops.push_back(operation("ids", {{"uid", "0"}, {"flags", {"dynamic"}}}, "identity"));
    ops.push_back(operation("capabilities", {{"bounding", "0"}}, "identity"));
    ops.push_back(operation("no_new_privs", Json::object(), "identity"));
    ops.push_back(operation("seccomp", {{"promises", "stdio rpath"}}, "pledge"));
    return {{"operations", ops}};
}

/// What the kernel says of a process that is as `confined` plans.
KernelFacts held() {
    KernelFacts facts = parse_status(
        "Name:\tx\nUid:\t61200\t61200\t61200\t61200\nCapBnd:\t0000000000000000\n"
        "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n");
    for (const char* name : {"mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
        facts.own_namespaces.emplace(name, true);
    }
    return facts;
}

const Wall& wall(const Exposure& exposure, std::string_view name) {
    const auto found = std::ranges::find(exposure.walls, name, &Wall::name);
    REQUIRE(found != exposure.walls.end());
    return *found;
}

Json with(Json plan, Json op) {
    plan["operations"].push_back(std::move(op));
    return plan;
}

}  // namespace

TEST_CASE("exposure: without walls it is 10, with all of them near 0", "[ctl][S4.25]") {
    const Exposure none = exposure_of(unconfined(), 0, std::nullopt);
    CHECK(none.score() > 8.5);
    CHECK(level_of(none.score()) == std::string("unconfined"));
    CHECK(none.accepted.size() == 2);  // no jail, and root's capabilities
    const Exposure all = exposure_of(confined(), 0, std::nullopt);
    CHECK(all.score() == 0);
    CHECK(level_of(all.score()) == std::string("tight"));
    CHECK(all.accepted.empty());
    CHECK(exposure_of(Json::object(), 0, std::nullopt).score() > 8.5);  // nothing is said of it
}

TEST_CASE("exposure: each wall that is missing counts, and says what it lets through",
          "[ctl][S4.25][S1.18]") {
    const auto all = confined()["operations"];
    for (std::size_t left_out = 0; left_out < all.size(); ++left_out) {
        Json plan{{"operations", all}};
        plan["operations"].erase(left_out);
        const std::string what = all[left_out]["operation"];
        if (what == "namespace" && all[left_out]["type"] == "mount")
            continue;                                                         // counts by its root
        if (what == "namespace" && all[left_out]["type"] == "net") continue;  // by `network`
        if (what == "dev") continue;  // the view shows no other
        INFO(all[left_out]);
        const Exposure exposure = exposure_of(plan, 0, std::nullopt);
        CHECK(exposure.score() > 0);
        for (const Wall& one : exposure.walls) CHECK((one.exposed > 0) == !one.risk.empty());
    }
}

TEST_CASE("exposure: the kernel's word counts, and a wall that it denies is broken",
          "[ctl][S4.25]") {
    const Exposure good = exposure_of(confined(), 0, held());
    CHECK(good.score() == 0);
    CHECK_FALSE(good.broken());
    CHECK(wall(good, "system calls").basis == Wall::Basis::kKernel);
    CHECK(wall(good, "memory").basis == Wall::Basis::kPlan);

    struct Lie {
        const char* name;
        void (*tell)(KernelFacts&);
    };
    const Lie lies[] = {
        {"user", [](KernelFacts& facts) { facts.uid = 0; }},
        {"capabilities", [](KernelFacts& facts) { facts.bounding = 1ULL << 21; }},
        {"new privileges", [](KernelFacts& facts) { facts.no_new_privs = false; }},
        {"system calls", [](KernelFacts& facts) { facts.filtered = false; }},
        {"files", [](KernelFacts& facts) { facts.own_namespaces["mnt"] = false; }},
        {"processes", [](KernelFacts& facts) { facts.own_namespaces["pid"] = false; }},
        {"network", [](KernelFacts& facts) { facts.own_namespaces["net"] = false; }},
    };
    for (const Lie& lie : lies) {
        KernelFacts facts = held();
        lie.tell(facts);
        const Exposure bad = exposure_of(confined(), 0, facts);
        INFO(lie.name);
        CHECK(bad.broken());
        CHECK(wall(bad, lie.name).basis == Wall::Basis::kBroken);
        CHECK(wall(bad, lie.name).exposed == wall(bad, lie.name).weight);
    }
    // What the kernel does not tell us stays as planned.
    CHECK(exposure_of(confined(), 0, KernelFacts()).score() == 0);
    // Without a jail there is nothing to be denied.
    KernelFacts root = parse_status(
        "\nUid:\t0\t0\t0\t0\nCapBnd:\t000001ffffffffff\n"
        "NoNewPrivs:\t0\nSeccomp:\t0\n");
    CHECK_FALSE(exposure_of(unconfined(), 0, root).broken());
}

TEST_CASE("exposure: what a unit accepts is named", "[ctl][S1.7][S1.8][S1.18]") {
    const auto accepts = [](const Json& plan, std::uint64_t weakened) {
        std::string all;
        for (const auto& one : exposure_of(plan, weakened, std::nullopt).accepted)
            all += one + "\n";
        return all;
    };
    Json near_root = confined();
    for (Json& op : near_root["operations"]) {
        if (op["operation"] == "capabilities") op["bounding"] = "2";
    }
    CHECK(accepts(near_root, 0).find("near root") != std::string::npos);
    CHECK(exposure_of(near_root, 0, std::nullopt).score() > 1);
    CHECK(accepts(with(confined(), operation("bind", {{"source", "/run/docker.sock"}})), 0)
              .find("/run/docker.sock") != std::string::npos);
    CHECK(accepts(with(confined(), operation("bind", {{"source", "/srv/www"}})), 0).empty());

    const Json optional =
        with(confined(), operation("cgroup", {{"file", "io.max"}, {"optional", true}}, "cgroups"));
    CHECK(accepts(optional, 0) ==
          "[jail] optional: runs also where parts of cgroups cannot be had\n");
    CHECK(accepts(optional, 2).find("2 are not there now") != std::string::npos);
    CHECK(exposure_of(optional, 0, std::nullopt).score() == 0);
    const Exposure weak = exposure_of(optional, 1, std::nullopt);  // any of them may be missing
    CHECK(wall(weak, "memory").exposed == wall(weak, "memory").weight);
    CHECK(wall(weak, "files").exposed == 0);
}

TEST_CASE("exposure: promises count by what they permit", "[ctl][S4.25]") {
    const auto of = [](const char* promises, const char* flag = "none") {
        Json plan = confined();
        for (Json& op : plan["operations"]) {
            if (op["operation"] != "seccomp") continue;
            op["promises"] = promises;
            op["flags"] = {flag};
        }
        return wall(exposure_of(plan, 0, std::nullopt), "system calls").exposed;
    };
    CHECK(of("stdio") == 0);
    CHECK(of("stdio tcp dns") == 1);
    CHECK(of("stdio exec proc prot_exec") == 3);
    CHECK(of("stdio", "learn") == 14);
}
