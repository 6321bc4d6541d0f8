#include "service/health.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <limits>

#include "base/probe_code.hpp"
#include "fakes.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using namespace std::chrono_literals;
using fakes::Stage;
using fakes::unit;

namespace {

config::Unit checked(config::OnUnhealthy action = config::OnUnhealthy::kNone) {
    auto made = unit("web");
    config::HealthTable& health = made.health.make();
    health.http = "http://127.0.0.1/";
    health.start_period = {};
    health.retries = 3;
    health.on_unhealthy = action;
    health.signal = SIGUSR1;
    return made;
}

config::Unit by_health() {
    auto made = checked();
    made.readiness.make().ready = config::Ready::kHealth;
    return made;
}

Token check_of(const Stage& stage) {
    return stage.record("web").check_token;
}

/// The pause is over, and the check ends so.
void check(Stage& stage, int code) {
    if (check_of(stage) == 0) stage.fire("web", TimerKind::kHealth);
    stage.checked("web", code);
}

constexpr HealthFacts kCounts{.waited_for = false, .start_period = false, .retries = 3};

}  // namespace

TEST_CASE("health: so many bad checks in a row make unhealthy, one good one healthy",
          "[service][S1.9]") {
    using enum Health;
    CHECK(judged(kStarting, 0, true, kCounts) == HealthVerdict{kHealthy, 0});
    CHECK(judged(kHealthy, 0, false, kCounts) == HealthVerdict{kHealthy, 1});
    CHECK(judged(kHealthy, 1, false, kCounts) == HealthVerdict{kHealthy, 2});
    CHECK(judged(kHealthy, 2, false, kCounts) == HealthVerdict{kUnhealthy, 3});
    CHECK(judged(kHealthy, 2, true, kCounts) == HealthVerdict{kHealthy, 0});
    CHECK(judged(kUnhealthy, 3, false, kCounts) == HealthVerdict{kUnhealthy, 4});
    CHECK(judged(kUnhealthy, 9, true, kCounts) == HealthVerdict{kHealthy, 0});
    CHECK(judged(kNone, 0, false, kCounts) == HealthVerdict{kNone, 0});
    const std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
    CHECK(judged(kUnhealthy, most, false, kCounts) == HealthVerdict{kUnhealthy, most});
}

TEST_CASE("health: bad checks before the first good one do not count in the start period",
          "[service][S1.9]") {
    using enum Health;
    HealthFacts facts = kCounts;
    facts.start_period = true;
    CHECK(judged(kStarting, 0, false, facts) == HealthVerdict{kStarting, 0});
    CHECK(judged(kHealthy, 2, false, facts) ==
          HealthVerdict{kUnhealthy, 3});  // ended by a good one
    facts = {.waited_for = true, .start_period = false, .retries = 1};
    CHECK(judged(kStarting, 0, false, facts) == HealthVerdict{kStarting, 0});
}

TEST_CASE("health: the defaults are those of a container's check", "[service][S1.9]") {
    const config::HealthTable table;
    CHECK(table.interval == 10s);
    CHECK(table.timeout == 5s);
    CHECK(table.retries == 5);
    CHECK(table.start_period == 30s);
    CHECK(table.on_unhealthy == config::OnUnhealthy::kNone);
}

TEST_CASE("health: the first checks come fast, then slower, up to the interval",
          "[service][S1.9]") {
    CHECK(pause_before(Health::kStarting, 1, 10s) == 100ms);
    CHECK(pause_before(Health::kStarting, 2, 10s) == 200ms);
    CHECK(pause_before(Health::kStarting, 32, 10s) == 10s);
    CHECK(pause_before(Health::kStarting, 3, 50ms) == 50ms);
    CHECK(pause_before(Health::kHealthy, 1, 10s) == 10s);
    CHECK(pause_before(Health::kUnhealthy, 1, 10s) == 10s);
}

TEST_CASE("health: a unit is checked while it is up, one check at a time", "[service][S1.9]") {
    Stage stage({checked()});
    (void)stage.ask(Request::kStart, "web");
    CHECK(stage.world.launches.size() == 1);
    stage.started("web");
    CHECK(stage.last_launch() == Purpose::kHealth);
    CHECK(stage.world.launches.size() == 2);
    CHECK(stage.timer("web", TimerKind::kHealth) == 5s);  // its limit
    stage.checked("web", 0);
    CHECK(stage.record("web").health == Health::kHealthy);
    CHECK(stage.timer("web", TimerKind::kHealth) == 10s);  // the pause
    stage.fire("web", TimerKind::kHealth);
    const Token token = check_of(stage);
    CHECK(stage.world.launches.size() == 3);
    (void)stage.ask(Request::kStop, "web");
    CHECK(stage.world.signals.front() == fakes::Signalled{"web", token, SIGKILL, Whom::kProcess});
    CHECK_FALSE(stage.timer("web", TimerKind::kHealth));
    CHECK(stage.record("web").health == Health::kNone);
    stage.exited("web", 0);
    CHECK_FALSE(stage.manager.on_exited(token, {.by_signal = true, .code = SIGKILL}));
}

TEST_CASE("health: what it says is told, with the reason, and again when it is mended",
          "[service][S1.9]") {
    Stage stage({checked()});
    stage.up("web");
    check(stage, 0);
    for (int i = 0; i < 3; ++i) check(stage, probe::code_of_status(500));
    check(stage, 0);
    CHECK(stage.world.health == std::vector<std::string>{"web starting", "web healthy",
                                                         "web unhealthy: answered with status 500",
                                                         "web healthy: answered with status 500"});
    CHECK(stage.state("web") == State::kRunning);
    CHECK(stage.manager.status("web")->health_reason == "answered with status 500");
}

TEST_CASE("health: a check that is late is bad at once, ended, and not counted again",
          "[service][S1.9]") {
    Stage stage({checked()});
    stage.up("web");
    check(stage, 0);
    stage.fire("web", TimerKind::kHealth);
    const Token token = check_of(stage);
    stage.fire("web", TimerKind::kHealth);
    CHECK(stage.record("web").bad_checks == 1);
    CHECK(stage.manager.status("web")->health_reason == "no answer within 5 s");
    CHECK(stage.world.signals.back() == fakes::Signalled{"web", token, SIGKILL, Whom::kProcess});
    SECTION("it ends") {
        stage.manager.on_exited(token, {.by_signal = true, .code = SIGKILL});
        CHECK(stage.record("web").bad_checks == 1);
        CHECK(check_of(stage) == 0);
    }
    SECTION("it cannot be ended: no second one beside it, and each time counts") {
        const std::size_t launches = stage.world.launches.size();
        stage.fire("web", TimerKind::kHealth);
        stage.fire("web", TimerKind::kHealth);
        CHECK(stage.world.launches.size() == launches);
        CHECK(stage.record("web").health == Health::kUnhealthy);
    }
}

TEST_CASE("health: a check that was not made says nothing of the service", "[service][S1.9]") {
    Stage stage({checked()});
    stage.up("web");
    check(stage, 0);
    stage.fire("web", TimerKind::kHealth);
    SECTION("its unit is frozen") {
        stage.manager.on_launch_failed(check_of(stage), {16, "core", "jail", "is frozen"});
        CHECK(stage.manager.status("web")->health_reason == "not checked: is frozen");
    }
    SECTION("the jailer died") {
        stage.manager.on_exited(check_of(stage), {.code = 127, .executed = false});
    }
    CHECK(stage.record("web").bad_checks == 0);
    CHECK(check_of(stage) == 0);
    stage.fire("web", TimerKind::kHealth);
    // Control: a program that is not there is the check's own fault.
    stage.manager.on_launch_failed(check_of(stage), {2, "core", "exec", "no such file"});
    CHECK(stage.record("web").bad_checks == 1);
}

TEST_CASE("health: an unhealthy unit is restarted within the start limit", "[service][S1.9]") {
    auto made = checked(config::OnUnhealthy::kRestart);
    made.unit.start_limit_burst = 2;
    Stage stage({made});
    stage.up("web");
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 3; ++i) check(stage, 1);
        CHECK(stage.state("web") == State::kStopping);
        CHECK(stage.because("web") == "unhealthy: 3 bad checks, the last one: no answer in time");
        CHECK_FALSE(stage.timer("web", TimerKind::kHealth));
        stage.died("web", SIGTERM);
        stage.torn_down("web");
        REQUIRE(stage.state("web") == State::kBackoff);
        stage.fire("web", TimerKind::kBackoff);
        if (round == 0) stage.started("web");
    }
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.because("web").starts_with("start limit: 2 starts"));
}

TEST_CASE("health: an unhealthy unit is sent its signal once", "[service][S1.9]") {
    Stage stage({checked(config::OnUnhealthy::kSignal)});
    stage.up("web");
    for (int i = 0; i < 5; ++i) check(stage, 1);
    const fakes::Signalled sent{"web", stage.main("web"), SIGUSR1, Whom::kProcess};
    CHECK(std::ranges::count(stage.world.signals, sent) == 1);
    check(stage, 0);
    for (int i = 0; i < 3; ++i) check(stage, 1);
    CHECK(std::ranges::count(stage.world.signals, sent) == 2);
}

TEST_CASE("health: who is ready by it is not up before its first good check", "[service][S1.9]") {
    auto later = unit("app");
    later.unit.requires_ = {"web"};
    Stage stage({by_health(), later});
    const JobId job = stage.ask(Request::kStart, "app");
    stage.started("web");
    CHECK(stage.state("web") == State::kStarting);
    CHECK(stage.state("app") == State::kWaiting);
    for (int i = 0; i < 9; ++i) check(stage, probe::code_of_error(ECONNREFUSED));
    CHECK(stage.record("web").health == Health::kStarting);
    CHECK(stage.because("web") ==
          "waits for a good health check; the last one: Connection refused");
    SECTION("it comes") {
        check(stage, 0);
        CHECK(stage.state("web") == State::kRunning);
        CHECK(stage.state("app") == State::kStarting);
    }
    SECTION("it does not") {
        stage.fire("web", TimerKind::kStartTimeout);
        CHECK(stage.because("web").starts_with(
            "started, and no health check was good; the last one: Connection refused"));
        stage.died("web", SIGTERM);
        stage.torn_down("web");
        CHECK(stage.result(job).outcome == JobOutcome::kDependency);
    }
    SECTION("it ends well before") {
        stage.exited("web", 0);
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kFailed);
        CHECK(stage.because("web") == "ended before a health check was good: exit code 0");
    }
}

TEST_CASE("health: another engine goes on with the counts and the check that runs",
          "[service][S1.9]") {
    Stage stage({checked()});
    stage.up("web");
    check(stage, 0);
    check(stage, 1);
    stage.fire("web", TimerKind::kHealth);
    const Token token = check_of(stage);
    const Record record = stage.world.records.at("web");

    Stage next({checked()});
    next.manager.restore({record});
    next.manager.resume();
    CHECK(next.world.launches.back().token == token);
    CHECK(next.world.launches.back().purpose == Purpose::kHealth);
    CHECK(next.timer("web", TimerKind::kHealth) == 5s);
    CHECK(next.manager.next_token() > token);
    next.checked("web", 1);
    CHECK(next.record("web").bad_checks == 2);
    CHECK(next.record("web").health == Health::kHealthy);
}
