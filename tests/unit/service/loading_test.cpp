// Units loaded again, and another engine in place of the one before.

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>

#include "fakes.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using namespace jailsvc::service::fakes;
using namespace std::chrono_literals;
using config::Restart;

TEST_CASE("load: a changed unit is stale while it runs, a removed one stays until it is down",
          "[service]") {
    Stage stage({unit("web"), unit("old")});
    stage.up("web");
    stage.up("old");
    auto changed = unit("web");
    changed.digest = digest_of("new text");
    const auto report = stage.manager.load({changed});
    CHECK(report.running_stale == std::vector<std::string>{"web"});
    CHECK(report.removed == std::vector<std::string>{"old"});
    CHECK(stage.manager.status("web")->stale);
    CHECK_FALSE(stage.manager.status("web")->file_gone);
    CHECK(stage.manager.status("old")->file_gone);
    CHECK_FALSE(stage.manager.status("old")->stale);  // no restart would take anything
    const auto refused = stage.manager.request(Request::kRestart, "old");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message ==
          "old: the file of old is gone; stop it, or put the file back and run jailsvc "
          "daemon-reload");
    (void)stage.ask(Request::kStop, "old");
    CHECK(stage.manager.status("old"));
    stage.died("old", SIGTERM);
    stage.torn_down("old");
    CHECK_FALSE(stage.manager.status("old"));
}

TEST_CASE("load: a unit whose file has errors goes on while it is up, and is started by nobody",
          "[service]") {
    auto up = unit("up"), down = unit("down"), needs = unit("needs");
    up.service.restart = config::Restart::kAlways;
    needs.unit.requires_ = {"down"};
    Stage stage({up, down, needs});
    stage.up("up");
    (void)stage.manager.load({up, down, needs},
                             {{"up", "oops"}, {"down", "oops"}, {"/not/a/unit", "oops"}});
    stage.died("up", 9);
    stage.torn_down("up");
    CHECK(stage.state("up") == State::kBackoff);
    for (const char* name : {"down", "needs"}) {
        const auto refused = stage.manager.request(Request::kStart, name);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message.find("the file of down has errors") != std::string::npos);
    }
    (void)stage.manager.load({up, down, needs});  // mended
    CHECK(stage.manager.request(Request::kStart, "needs"));
}

TEST_CASE("restore: another engine asks again with the same tokens, and for nothing else",
          "[service]") {
    auto job = unit("job"), web = unit("web"), gone = unit("gone");
    Stage first({job, web, gone});
    first.up("web");
    first.up("gone");
    (void)first.ask(Request::kStart, "job");
    first.world.now += 30'000'000'000;

    World world;
    world.now = first.world.now;
    Manager second(world, world, world);
    (void)second.load({job, web});
    std::vector<Record> records;
    for (const auto& [name, record] : first.world.records) records.push_back(record);
    second.restore(records);
    second.resume();
    REQUIRE(world.launches.size() == 1);
    CHECK(world.launches[0].token == first.main("job"));
    CHECK(world.timers.at({"job", TimerKind::kStartTimeout}) == 60s);
    CHECK(second.next_token() > first.main("job"));
    CHECK(second.status("web")->record.state == State::kRunning);
    CHECK(second.on_exited(first.main("web"), {.code = 1}));
    CHECK(second.status("web")->record.state == State::kStopping);
    CHECK(second.status("gone")->record.state == State::kRunning);
    REQUIRE(second.request(Request::kStop, "gone"));
}

TEST_CASE("restore: what runs keeps the policies of its start, whatever became of its file",
          "[service]") {
    auto web = unit("web"), gone = unit("gone");
    for (auto* each : {&web, &gone}) {
        each->service.timeout_stop = 3s;
        each->service.restart = config::Restart::kAlways;
        each->digest = digest_of("as started");
    }
    Stage first({web, gone});
    first.up("web");
    first.up("gone");
    const auto as_web = std::make_shared<const config::Unit>(web);
    const auto as_gone = std::make_shared<const config::Unit>(gone);
    auto other = std::make_shared<config::Unit>(web);
    other->digest = digest_of("of another start");
    other->service.timeout_stop = 77s;
    web.service.timeout_stop = 99s;
    web.service.restart = config::Restart::kNo;
    web.digest = digest_of("as edited");

    World world;
    world.now = first.world.now;
    Manager second(world, world, world);
    (void)second.load({web});
    std::vector<Record> records;
    for (const auto& [name, record] : first.world.records) records.push_back(record);
    const bool kept = GENERATE(true, false);
    second.restore(records, kept ? Manager::StartedUnits{other, as_web, as_gone}
                                 : Manager::StartedUnits{other});
    second.resume();
    CHECK(second.status("web")->stale);
    REQUIRE(second.request(Request::kStop, "gone"));
    const auto fallback = config::Unit{}.service.timeout_stop;
    CHECK(world.timers.at({"gone", TimerKind::kStopTimeout}) == (kept ? 3s : fallback));
    (void)second.on_exited(first.main("web"), {.code = 1});
    second.on_torn_down("web", first.main("web"));
    CHECK(second.status("web")->record.state == (kept ? State::kBackoff : State::kFailed));
}
