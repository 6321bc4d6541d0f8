#include <catch2/catch.hpp>

#include "fakes.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using fakes::Stage;
using fakes::unit;

namespace {

config::Unit looked_at() {
    auto made = unit("web");
    made.condition.make().path_exists = {"/x"};
    made.service.exec_stop_post = {{"/bin/x"}};
    return made;
}

void unmet(Stage& stage, const char* operation) {
    stage.manager.on_launch_failed(stage.control("web"),
                                   {0, "core", operation, "path_exists = \"/x\" does not hold"});
}

}  // namespace

TEST_CASE("conditions: they are looked at before anything is made", "[service]") {
    auto made = looked_at();
    made.service.exec_start_pre = {{"/bin/x"}};
    Stage stage({made});
    (void)stage.ask(Request::kStart, "web");
    REQUIRE(stage.world.launches.size() == 1);
    CHECK(stage.last_launch() == Purpose::kCondition);
    stage.manager.on_started(stage.control("web"), 0, 1);
    CHECK(stage.last_launch() == Purpose::kStartPre);
}

TEST_CASE("conditions: one that does not hold skips the start, and dependents go on", "[service]") {
    auto later = unit("app");
    later.unit.requires_ = {"web"};
    Stage stage({looked_at(), later});
    const JobId job = stage.ask(Request::kStart, "app");
    const JobId own = stage.ask(Request::kStart, "web");
    unmet(stage, "condition");
    CHECK(stage.state("web") == State::kInactive);
    CHECK(state_name(stage.record("web"), stage.state("web")) == "skipped");
    CHECK(stage.because("web") == "path_exists = \"/x\" does not hold");
    CHECK(stage.result(own).outcome == JobOutcome::kDone);
    CHECK(stage.result(own).text == "skipped: path_exists = \"/x\" does not hold");
    CHECK(stage.world.teardowns.empty());
    CHECK(stage.last_launch() == Purpose::kMain);  // of app; no exec_stop_post of web
    stage.started("app");
    CHECK(stage.state("app") == State::kRunning);
    CHECK(stage.settled(job));
    SECTION("the next start looks again") {
        (void)stage.ask(Request::kStart, "web");
        CHECK(stage.last_launch() == Purpose::kCondition);
        stage.manager.on_started(stage.control("web"), 0, 1);
        stage.started("web");
        CHECK(stage.state("web") == State::kRunning);
        CHECK(stage.because("web").empty());
    }
    SECTION("a stop forgets that it was skipped") {
        (void)stage.ask(Request::kStop, "web");
        CHECK(state_name(stage.record("web"), State::kInactive) == "inactive");
    }
}

TEST_CASE("conditions: an assertion that does not hold fails the start for good", "[service]") {
    auto made = looked_at();
    made.service.restart = config::Restart::kAlways;
    auto later = unit("app");
    later.unit.requires_ = {"web"};
    Stage stage({made, later});
    const JobId job = stage.ask(Request::kStart, "app");
    unmet(stage, "assertion");
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.because("web") == "path_exists = \"/x\" does not hold");
    CHECK(stage.result(job).outcome == JobOutcome::kDependency);
    CHECK(stage.world.teardowns.empty());
}

TEST_CASE("conditions: a start that comes after a crash looks again", "[service]") {
    auto made = looked_at();
    made.service.restart = config::Restart::kAlways;
    made.service.exec_stop_post = {};
    Stage stage({made});
    (void)stage.ask(Request::kStart, "web");
    stage.manager.on_started(stage.control("web"), 0, 1);
    stage.started("web");
    stage.exited("web", 1);
    stage.torn_down("web");
    stage.fire("web", TimerKind::kBackoff);
    CHECK(stage.last_launch() == Purpose::kCondition);
    unmet(stage, "condition");
    CHECK(state_name(stage.record("web"), stage.state("web")) == "skipped");
}

TEST_CASE("conditions: that they could not be looked at is a failure like others", "[service]") {
    Stage stage({looked_at()});
    (void)stage.ask(Request::kStart, "web");
    stage.manager.on_launch_failed(stage.control("web"), {22, "core", "unit", "file is broken"});
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.because("web") == "conditions: file is broken");
}

TEST_CASE("conditions: a target has them too", "[service]") {
    config::Unit made = looked_at();
    made.is_target = true;
    made.service = {};
    Stage stage({made});
    (void)stage.ask(Request::kStart, "web");
    CHECK(stage.last_launch() == Purpose::kCondition);
    stage.manager.on_started(stage.control("web"), 0, 1);
    CHECK(stage.state("web") == State::kDone);
}
