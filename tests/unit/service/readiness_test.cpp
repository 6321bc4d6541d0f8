#include <catch2/catch.hpp>
#include <csignal>

#include "fakes.hpp"
#include "service/policy.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using namespace std::chrono_literals;
using fakes::Stage;
using fakes::unit;

namespace {

config::Unit of_type(config::ServiceType type, const char* name = "web") {
    auto made = unit(name);
    made.service.type = type;
    return made;
}

config::Unit watched() {
    auto made = of_type(config::ServiceType::kNotify);
    made.readiness.make().watchdog = 10s;
    return made;
}

}  // namespace

TEST_CASE("readiness: a notify service is up when it says so, and not before", "[service]") {
    Stage stage({of_type(config::ServiceType::kNotify)});
    const JobId job = stage.ask(Request::kStart, "web");
    stage.started("web");
    CHECK(stage.state("web") == State::kStarting);
    CHECK(stage.because("web") == "waits for READY=1");
    CHECK_FALSE(stage.settled(job));
    CHECK(stage.manager.on_told("web", Told::kReady));
    CHECK(stage.state("web") == State::kRunning);
    CHECK(stage.result(job).outcome == JobOutcome::kDone);
    CHECK_FALSE(stage.timer("web", TimerKind::kStartTimeout));
}

TEST_CASE("readiness: what is said before its exec is known counts", "[service]") {
    Stage stage({of_type(config::ServiceType::kNotify)});
    (void)stage.ask(Request::kStart, "web");
    CHECK(stage.manager.on_told("web", Told::kReady));
    CHECK(stage.state("web") == State::kStarting);
    stage.started("web");
    CHECK(stage.state("web") == State::kRunning);
}

TEST_CASE("readiness: an end before that fails the start, however good", "[service]") {
    Stage stage({of_type(config::ServiceType::kNotify)});
    const JobId job = stage.ask(Request::kStart, "web");
    stage.started("web");
    stage.exited("web", 0);
    stage.torn_down("web");
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.result(job).text == "ended before it said that it was ready: exit code 0");
}

TEST_CASE("readiness: more time is granted from when it is asked for", "[service]") {
    Stage stage({of_type(config::ServiceType::kNotify)});
    (void)stage.ask(Request::kStart, "web");
    stage.started("web");
    CHECK(stage.timer("web", TimerKind::kStartTimeout) == 90s);
    stage.manager.extend_timeout("web", 10s);
    CHECK(stage.timer("web", TimerKind::kStartTimeout) == 90s);  // it has longer than that
    stage.manager.extend_timeout("web", 300s);
    CHECK(stage.timer("web", TimerKind::kStartTimeout) == 300s);
    stage.world.now += 100'000'000'000;
    stage.manager.extend_timeout("web", 10s);
    CHECK(stage.timer("web", TimerKind::kStartTimeout) == 200s);

    fakes::World next;
    Manager second(next, next, next);
    (void)second.load({of_type(config::ServiceType::kNotify)});
    next.now = stage.world.now;
    second.restore({stage.world.records["web"]});
    CHECK(next.timers.at({"web", TimerKind::kStartTimeout}) == 200s);
}

TEST_CASE("readiness: a reload of its own lasts until it is ready again", "[service]") {
    Stage stage({of_type(config::ServiceType::kNotify)});
    stage.up("web");
    (void)stage.manager.on_told("web", Told::kReady);
    CHECK(stage.manager.on_told("web", Told::kReloading));
    CHECK(stage.state("web") == State::kReloading);
    SECTION("it says so") {
        CHECK(stage.manager.on_told("web", Told::kReady));
        CHECK(stage.state("web") == State::kRunning);
    }
    SECTION("it does not") {
        stage.fire("web", TimerKind::kStartTimeout);
        CHECK(stage.state("web") == State::kRunning);
    }
    SECTION("a stop does not wait for that") {
        (void)stage.ask(Request::kStop, "web");
        CHECK(stage.state("web") == State::kStopping);
    }
}

TEST_CASE("readiness: of a forking service the daemon counts", "[service]") {
    Stage stage({of_type(config::ServiceType::kForking)});
    (void)stage.ask(Request::kStart, "web");
    const Token launched = stage.main("web");
    stage.started("web");
    CHECK(stage.because("web") == "waits for its daemon");
    SECTION("found") {
        stage.exited("web", 0);
        REQUIRE(stage.world.sought.size() == 1);
        CHECK(stage.world.sought[0].second == launched);
        CHECK(stage.manager.on_adopted(launched, 900, 77));
        CHECK(stage.state("web") == State::kRunning);
        CHECK(stage.record("web").main_pid == 77);
        CHECK(stage.manager.next_token() == 901);
        // Signals go to it, and its end is the service's.
        (void)stage.ask(Request::kStop, "web");
        CHECK(stage.world.signals.at(0).token == 900);
        stage.manager.on_exited(900, {.by_signal = true, .code = SIGTERM});
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kInactive);
    }
    SECTION("an end that nobody saw is a failure") {
        stage.exited("web", 0);
        REQUIRE(stage.manager.on_adopted(launched, 900, 77));
        stage.manager.on_exited(900, {.known = false});
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kFailed);
        CHECK(stage.because("web") == "has ended, and nobody saw how");
    }
    SECTION("the launcher failed") {
        stage.exited("web", 1);
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kFailed);
    }
    SECTION("there is none") {
        stage.exited("web", 0);
        stage.manager.on_daemon_missing(launched, "left nothing behind");
        stage.torn_down("web");
        CHECK(stage.because("web") == "left nothing behind");
    }
}

TEST_CASE("readiness: another main process takes the place of the launched one", "[service]") {
    Stage stage({of_type(config::ServiceType::kNotify)});
    stage.up("web");
    (void)stage.manager.on_told("web", Told::kReady);
    const Token launched = stage.main("web");
    CHECK_FALSE(stage.manager.on_adopted(launched + 5, 900, 77));  // of no run that is known
    CHECK(stage.manager.on_adopted(launched, 900, 77));
    stage.exited("web", 1);
    CHECK(stage.state("web") == State::kRunning);
    stage.manager.on_exited(900, {.code = 3});
    CHECK(stage.because("web") == "exit code 3");
}

TEST_CASE("watchdog: a ping in time keeps a service, a missing one ends it", "[service]") {
    Stage stage({watched()});
    stage.up("web");
    CHECK_FALSE(stage.timer("web", TimerKind::kWatchdog));
    (void)stage.manager.on_told("web", Told::kReady);
    CHECK(stage.timer("web", TimerKind::kWatchdog) == 10s);
    stage.world.timers.clear();
    CHECK(stage.manager.on_told("web", Told::kPing));
    CHECK(stage.timer("web", TimerKind::kWatchdog) == 10s);
    stage.manager.set_watchdog("web", 5'000'000);
    CHECK(stage.timer("web", TimerKind::kWatchdog) == 5s);

    stage.fire("web", TimerKind::kWatchdog);
    CHECK(stage.state("web") == State::kStopping);
    CHECK(stage.world.signals.at(0).signo == SIGABRT);
    CHECK(stage.because("web") == "watchdog: no ping within 5000 ms");
    stage.died("web", SIGABRT);
    stage.torn_down("web");
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.record("web").by_watchdog == 1);
}

TEST_CASE("watchdog: a new engine counts anew", "[service]") {
    Stage stage({watched()});
    stage.up("web");
    (void)stage.manager.on_told("web", Told::kReady);
    fakes::World next;
    next.now = stage.world.now + 60'000'000'000;
    Manager second(next, next, next);
    (void)second.load({watched()});
    second.restore({stage.world.records["web"]});
    CHECK(next.timers.at({"web", TimerKind::kWatchdog}) == 10s);
}

TEST_CASE("policy: restarts follow systemd's table", "[service]") {
    using enum config::Restart;
    using enum Ending;
    constexpr Ending kAll[] = {kClean, kExitCode, kSignal, kTimeout, kWatchdog};
    const std::pair<config::Restart, std::vector<Ending>> table[] = {
        {kNo, {}},
        {kOnSuccess, {kClean}},
        {kOnFailure, {kExitCode, kSignal, kTimeout, kWatchdog}},
        {kOnAbnormal, {kSignal, kTimeout, kWatchdog}},
        {kOnAbort, {kSignal}},
        {kOnWatchdog, {kWatchdog}},
        {kAlways, {kClean, kExitCode, kSignal, kTimeout, kWatchdog}},
    };
    for (const auto& [restart, after] : table) {
        config::ServiceTable service;
        service.restart = restart;
        for (const Ending ending : kAll) {
            const bool expected = std::ranges::find(after, ending) != after.end();
            CHECK(restarts_after(ending, service) == expected);
        }
    }
}
