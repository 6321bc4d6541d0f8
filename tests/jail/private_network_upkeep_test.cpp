// What is made for private networks: that it is as planned, nobody else's, and goes again.

#include <ev.h>
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "base/sys.hpp"
#include "jailed.hpp"
#include "jailer/loop/network_jobs.hpp"
#include "jailer/net/links.hpp"
#include "jailer/net/nft.hpp"
#include "jailer/net/private_networks.hpp"
#include "private_network.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
using Catch::Matchers::Contains;
using jailer::IntoNetwork;
using jailer::Netlink;

namespace {

/// The host reaches a part of the range that jails would have: no private network can be made.
void use_range() {
    auto netlink = Netlink::open();
    REQUIRE(netlink);
    REQUIRE(jailer::make_pair(*netlink, "wire"));
    const int wire = *jailer::find_interface(*netlink, "wire");
    REQUIRE(jailer::raise_interface(*netlink, wire));
    REQUIRE(jailer::add_route(*netlink, {.to = 0x0ad50100, .prefix = 24, .interface = wire}));
}

}  // namespace

TEST_CASE("private network: what a killed jailer made is kept while it lives, then swept",
          "[jail][network][chaos]") {
    NEED_NETWORKS;
    const Machine machine;
    const std::string before = everything();
    Chain chain;
    JailerWorld& world = chain.world;
    world.start_jailer();
    chain.up(1, "web", 8000);
    chain.up(2, "api", 8080);
    world.kill_jailer();
    CHECK(ask(chain.of(1), chain.address("api"), 8080) == "api");
    // web dies and is forgotten while there is no jailer: its interface and rules belong to nobody.
    std::erase_if(world.kept, [](const KeptFd& kept) { return kept.unit == "web"; });
    for (const ipc::Token token : {ipc::Token{1}, 1 | ipc::kStubBit}) {
        (void)sys::pidfd_signal(chain.of(token), SIGKILL);
    }
    world.wait_exit(1);
    world.wait_exit(1 | ipc::kStubBit);
    world.acknowledge(1);
    world.acknowledge(1 | ipc::kStubBit);
    world.start_jailer();
    world.start(3, "db");  // its rules are made when all is swept
    world.wait_started(3);
    CHECK_THAT(everything(), !Contains(chain.address("web") + "\""));
    CHECK_THAT(everything(), Contains(chain.address("api") + "\""));
    CHECK(ask(chain.of(2), chain.address("api"), 8080) == "api");
    chain.down(2, "api");
    chain.down(3, "db");
    CHECK(everything() == before);
}

TEST_CASE("private network: what bears not our mark stays", "[jail][network]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    auto netlink = Netlink::open();
    REQUIRE(netlink);
    const auto names = jailer::NetNames::of(chain.world.places.run);
    REQUIRE(jailer::make_pair(*netlink, names.prefix + "2"));
    jailer::Nft nft;
    REQUIRE(nft.run("add table inet other\nadd chain inet other c\n"));
    const std::string before = everything();
    chain.world.start_jailer();
    chain.world.start(1, "web");  // its number is the first: 2
    CHECK_THAT(std::string(ipc::get_text(chain.world.wait_failed(1).text)),
               Contains("interface " + names.prefix + "2"));
    CHECK(everything() == before);
}

TEST_CASE("private network: a range that the host uses is refused", "[jail][network]") {
    NEED_NETWORKS;
    const Machine machine;
    use_range();
    Chain chain;
    chain.world.start_jailer();
    chain.world.start(1, "web");
    CHECK_THAT(std::string(ipc::get_text(chain.world.wait_failed(1).text)),
               Contains("range 10.213.0.0/16 overlaps 10.213.1.0/24, which the host reaches by "
                        "wire; set jail.network.range"));
}

TEST_CASE("private network: what was tampered with is refused by the attest",
          "[jail][network][S2.10]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    auto networks = jailer::PrivateNetworks::open(chain.world.places);
    REQUIRE(networks);
    const Fd jail = new_network();
    jailer::NetDemand demand{.range = *jailer::NetRange::parse("10.213.0.0/16"),
                             .edges = {{"api", 8080, "tcp"}},
                             .forwards = {{80, 8080, "tcp"}}};
    const auto make = [&] { REQUIRE(networks->make("web", demand, jail.get())); };
    const auto why = [&] {
        const auto rules = networks->attest_rules("web", demand);
        const auto links = networks->attest_links("web", demand, jail.get());
        return !rules ? rules.error().message : !links ? links.error().message : "";
    };
    const auto names = jailer::NetNames::of(chain.world.places.run);
    jailer::Nft nft;
    make();
    CHECK(why() == "");  // control
    REQUIRE(
        nft.run(fmt::format("delete element inet {} edges {{ 10.213.0.2 . 10.213.0.3 . tcp . "
                            "8080 }}",
                            names.table)));
    CHECK_THAT(why(), Contains("table " + names.table));
    make();
    CHECK(why() == "");
    REQUIRE(nft.run("flush chain inet " + names.table + " forward"));
    CHECK_THAT(why(), Contains("table " + names.table));
    networks->remove("web");
    make();
    CHECK(why() == "");
    demand.edges.push_back({"db", 5432, "tcp"});
    CHECK_THAT(why(), Contains("table"));  // an edge that was not made
    demand.edges.pop_back();
    {
        const IntoNetwork into(jail.get());
        auto inside = Netlink::open();
        REQUIRE(inside);
        const int eth0 = *jailer::find_interface(*inside, "eth0");
        REQUIRE(jailer::add_route(*inside, {.to = 0x0a000000, .prefix = 8, .interface = eth0}));
    }
    CHECK_THAT(why(), Contains("routes"));
    networks->remove("web");
}

TEST_CASE("private network: a unit may do without one where it says so, and nothing else may",
          "[jail][network]") {
    NEED_NETWORKS;
    const Machine machine;
    use_range();
    const std::string before = everything();
    Chain chain;
    JailerWorld& world = chain.world;
    const std::string jail = serving("free", 8000, "mode = \"private\"");
    world.write_unit("strict", jail);
    world.write_unit("free", jail + "[jail]\noptional = [\"network\"]\n");
    world.start_jailer();
    world.start(1, "strict");
    (void)world.wait_failed(1);
    world.start(2, "free");
    const ipc::Started started = world.wait_started(2);
    CHECK(started.weakened > 0);
    const auto network_of = [](const std::string& pid) {
        std::error_code none;
        return std::filesystem::read_symlink("/proc/" + pid + "/ns/net", none).string();
    };
    CHECK(network_of(std::to_string(started.pid)) == network_of("self"));
    CHECK(everything() == before);
    chain.down(2, "free");
}

TEST_CASE("private network: a library that crashes or hangs ends one start, and not the jailer",
          "[jail][network]") {
    NEED_NETWORKS;
    const Machine machine;
    struct ev_loop* loop = ::ev_loop_new(EVFLAG_AUTO);
    {
        jailer::NetworkJobs jobs(loop);
        std::vector<std::string> said;
        const auto note = [&said, loop](const Result<std::string>& result) {
            said.push_back(result ? *result : result.error().message);
            if (said.size() == 3) ::ev_break(loop, EVBREAK_ALL);
        };
        jobs.add([]() -> Result<std::string> { std::abort(); }, note);
        jobs.add([]() -> Result<std::string> { return fail("refused", EPERM); }, note);
        jobs.add([]() -> Result<std::string> { return "made"; }, note);  // control
        ::ev_run(loop, 0);
        REQUIRE(said.size() == 3);
        CHECK_THAT(said[0], Contains("Aborted"));
        CHECK(said[1] == "refused");
        CHECK(said[2] == "made");
    }
    ::ev_loop_destroy(loop);
}
