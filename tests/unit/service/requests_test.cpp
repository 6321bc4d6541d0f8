// What is asked of units, one or a thousand, and what they say of it.

#include <catch2/catch.hpp>
#include <csignal>
#include <iostream>

#include "fakes.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using namespace jailsvc::service::fakes;
using config::Restart;

namespace {

config::Unit restarting(Restart restart) {
    auto made = unit("web");
    made.service.restart = restart;
    return made;
}

std::string number(std::size_t at) {
    return std::string("u").append(std::to_string(at));
}

}  // namespace

TEST_CASE("requests: a later one in the other direction cancels, and says who", "[service]") {
    auto db = unit("db"), web = unit("web");
    web.unit.requires_ = {"db"};
    Stage stage({db, web});
    const JobId start = stage.ask(Request::kStart, "web");
    const JobId stop = stage.ask(Request::kStop, "db");
    CHECK(stage.result(start).outcome == JobOutcome::kCancelled);
    CHECK(stage.result(start).text == "start of web cancelled by stop of db");
    const JobId again = stage.ask(Request::kStart, "db");
    CHECK(stage.result(stop).text == "stop of db cancelled by start of db");
    stage.exited("db", 0);
    stage.torn_down("db");
    CHECK(stage.state("db") == State::kStarting);
    stage.started("db");
    CHECK(stage.result(again).outcome == JobOutcome::kDone);
}

TEST_CASE("requests: restart takes dependents along and brings them back", "[service]") {
    auto db = unit("db"), web = unit("web");
    web.unit.requires_ = {"db"};
    Stage stage({db, web});
    stage.up("db");
    stage.up("web");
    const JobId job = stage.ask(Request::kRestart, "db");
    for (const char* name : {"web", "db"}) {
        stage.died(name, SIGTERM);
        stage.torn_down(name);
    }
    CHECK(stage.state("db") == State::kStarting);
    CHECK(stage.state("web") == State::kWaiting);
    stage.started("db");
    stage.started("web");
    CHECK(stage.result(job).outcome == JobOutcome::kDone);
    CHECK(stage.state("web") == State::kRunning);
}

TEST_CASE("requests: a rival is stopped first; stop_all ends everything and refuses starts",
          "[service]") {
    auto one = unit("one"), two = unit("two");
    two.unit.conflicts = {"one"};
    Stage stage({one, two});
    stage.up("one");
    (void)stage.ask(Request::kStart, "two");
    CHECK(stage.because("two") == "waits for one (stopping)");
    stage.died("one", SIGTERM);
    stage.torn_down("one");
    stage.started("two");
    CHECK(stage.state("two") == State::kRunning);
    const JobId all = stage.manager.stop_all();
    CHECK_FALSE(stage.manager.request(Request::kStart, "one"));
    stage.died("two", SIGTERM);
    CHECK_FALSE(stage.settled(all));
    stage.torn_down("two");
    CHECK(stage.result(all).outcome == JobOutcome::kDone);
}

TEST_CASE("because: tells the present reason, not that of the last time", "[service]") {
    Stage stage({restarting(Restart::kAlways)});
    stage.up("web");
    CHECK(stage.because("web").empty());
    (void)stage.ask(Request::kStop, "web");
    CHECK(stage.because("web") == "stop of web");
    stage.died("web", SIGTERM);
    stage.torn_down("web");
    CHECK(stage.because("web") == "stop of web");
    SECTION("a start after a stop has none") {
        (void)stage.ask(Request::kStart, "web");
        CHECK(stage.state("web") == State::kStarting);
        CHECK(stage.because("web").empty());
    }
    SECTION("a restart is not the stop before it") {
        stage.up("web");
        (void)stage.ask(Request::kRestart, "web");
        CHECK(stage.state("web") == State::kStopping);
        CHECK(stage.because("web") == "restart of web");
        stage.died("web", SIGTERM);
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kStarting);
        CHECK(stage.because("web").empty());
    }
    SECTION("a stop during the restart is what keeps it down") {
        stage.up("web");
        (void)stage.ask(Request::kRestart, "web");
        (void)stage.ask(Request::kStop, "web");
        CHECK(stage.because("web") == "stop of web");
    }
    SECTION("a stop that comes while a crash is cleared away") {
        stage.up("web");
        stage.died("web", SIGKILL);
        CHECK(stage.because("web") == "ended by SIGKILL");
        (void)stage.ask(Request::kStop, "web");
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kInactive);
        CHECK(stage.because("web") == "stop of web");
    }
}

TEST_CASE("manager: a thousand units start and stop in linear time", "[service]") {
    constexpr std::size_t kUnits = 1000;
    auto all = unit("all");
    all.is_target = true;
    std::vector<config::Unit> units;
    for (std::size_t at = 0; at < kUnits; ++at) {
        units.push_back(unit(number(at)));
        if (at > 0) units.back().unit.after = {number(at / 2)};
        all.unit.wants.push_back(units.back().name);
    }
    units.front().unit.after = {};
    units[1].unit.after = {};
    units.push_back(all);
    Stage stage(units);
    const auto began = std::chrono::steady_clock::now();
    const JobId start = stage.ask(Request::kStart, "all");
    for (std::size_t at = 0; at < stage.world.launches.size(); ++at) {
        (void)stage.manager.on_started(stage.world.launches[at].token, 1, 1);
    }
    CHECK(stage.result(start).outcome == JobOutcome::kDone);
    const auto up = std::chrono::steady_clock::now();
    const JobId stop = stage.manager.stop_all();
    for (std::size_t round = 0; round < 20 && !stage.settled(stop); ++round) {
        for (std::size_t at = 0; at < kUnits; ++at) {
            const std::string name = number(at);
            if (stage.state(name) != State::kStopping) continue;
            stage.exited(name, 0);
            stage.torn_down(name);
        }
    }
    CHECK(stage.result(stop).outcome == JobOutcome::kDone);
    const auto down = std::chrono::steady_clock::now();
    const auto us = [](auto span) {
        return std::chrono::duration_cast<std::chrono::microseconds>(span).count();
    };
    std::cout << "manager: 1,000 units started in " << us(up - began) << " us, stopped in "
              << us(down - up) << " us\n";
}
