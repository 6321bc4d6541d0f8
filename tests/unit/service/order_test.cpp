#include <catch2/catch.hpp>

#include "fakes.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using namespace jailsvc::service::fakes;

namespace {

std::vector<config::Unit> chain() {
    auto db = unit("db"), api = unit("api"), web = unit("web");
    api.unit.requires_ = {"db"};
    web.unit.requires_ = {"api"};
    return {web, api, db};
}

}  // namespace

TEST_CASE("order: db, api, web start when the one before is ready, and stop in reverse",
          "[service][S0.5]") {
    Stage stage(chain());
    const JobId job = stage.ask(Request::kStart, "web");
    CHECK(stage.state("db") == State::kStarting);
    CHECK(stage.state("api") == State::kWaiting);
    CHECK(stage.because("api") == "waits for db (starting)");
    stage.started("db");
    CHECK(stage.state("api") == State::kStarting);
    CHECK(stage.state("web") == State::kWaiting);
    stage.started("api");
    CHECK_FALSE(stage.settled(job));
    stage.started("web");
    CHECK(stage.result(job).outcome == JobOutcome::kDone);

    const JobId stop = stage.ask(Request::kStop, "db");
    CHECK(stage.state("web") == State::kStopping);
    CHECK(stage.state("api") == State::kRunning);
    CHECK(stage.because("api") == "stops after web (stopping)");
    for (const char* name : {"web", "api", "db"}) {
        CHECK(stage.state(name) == State::kStopping);
        stage.died(name, 15);
        CHECK_FALSE(stage.settled(stop));
        stage.torn_down(name);
        CHECK(stage.state(name) == State::kInactive);
    }
    CHECK(stage.result(stop).outcome == JobOutcome::kDone);
}

TEST_CASE("order: a dependency that fails fails its dependents, and they say which",
          "[service][S0.5]") {
    Stage stage(chain());
    const JobId job = stage.ask(Request::kStart, "web");
    stage.exited("db", 1);
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.because("web") == "db failed: exit code 1");
    CHECK(stage.because("api") == "db failed: exit code 1");
    CHECK(stage.result(job).outcome == JobOutcome::kDependency);
    CHECK(stage.result(job).text == "db failed: exit code 1");
}

TEST_CASE("order: a dependency that fails while all are up takes its dependents down",
          "[service][S0.5]") {
    Stage stage(chain());
    (void)stage.ask(Request::kStart, "web");
    for (const char* name : {"db", "api", "web"}) stage.started(name);
    stage.died("db", 9);
    CHECK(stage.state("web") == State::kStopping);
    CHECK(stage.state("api") == State::kRunning);  // after web
    stage.died("web", 15);
    stage.torn_down("web");
    CHECK(stage.state("api") == State::kStopping);
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.because("web") == "db failed: ended by SIGKILL");
}

TEST_CASE("order: a crash that is restarted leaves the dependents alone", "[service]") {
    auto units = chain();
    units[2].service.restart = config::Restart::kAlways;
    Stage stage(units);
    (void)stage.ask(Request::kStart, "web");
    for (const char* name : {"db", "api", "web"}) stage.started(name);
    stage.died("db", 9);
    stage.torn_down("db");
    CHECK(stage.state("db") == State::kBackoff);
    CHECK(stage.state("api") == State::kRunning);
    stage.fire("db", TimerKind::kBackoff);
    stage.started("db");
    CHECK(stage.state("db") == State::kRunning);
    CHECK(stage.state("web") == State::kRunning);
}
