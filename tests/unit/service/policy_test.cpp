#include "service/policy.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>

#include "fakes.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using namespace jailsvc::service::fakes;
using namespace std::chrono_literals;
using config::Restart;

namespace {

config::Unit restarting(Restart restart) {
    auto made = unit("web");
    made.service.restart = restart;
    return made;
}

}  // namespace

TEST_CASE("policy: restart follows systemd's table", "[service][S1.10]") {
    struct Row {
        Restart restart;
        bool clean, code, signal, timeout;
    };
    const Row rows[] = {{Restart::kNo, false, false, false, false},
                        {Restart::kOnFailure, false, true, true, true},
                        {Restart::kOnAbnormal, false, false, true, true},
                        {Restart::kAlways, true, true, true, true},
                        {Restart::kUnlessStopped, true, true, true, true}};
    for (const Row& row : rows) {
        config::ServiceTable service;
        service.restart = row.restart;
        CHECK(restarts_after(Ending::kClean, service) == row.clean);
        CHECK(restarts_after(Ending::kExitCode, service) == row.code);
        CHECK(restarts_after(Ending::kSignal, service) == row.signal);
        CHECK(restarts_after(Ending::kTimeout, service) == row.timeout);
        service.type = config::ServiceType::kOneshot;
        CHECK_FALSE(restarts_after(Ending::kClean, service));
    }
}

TEST_CASE("policy: the delays to come grow up to the longest", "[service]") {
    config::ServiceTable service;
    service.restart_delay = 100ms;
    service.restart_delay_max = 500ms;
    using Delays = std::vector<config::Duration>;
    CHECK(delays_after(service, 0) == Delays{200ms, 400ms, 500ms, 500ms});
    CHECK(delays_after(service, 3) == Delays{500ms});
    service.restart_delay = 0ms;
    CHECK(delays_after(service, 0) == Delays{0ms});
    service.restart_delay = 1ns;
    service.restart_delay_max = config::kForever;
    CHECK(delays_after(service, 0).size() == 10);
}

TEST_CASE("policy: a boot leaves out what was stopped, unless it is required", "[service][S1.10]") {
    auto target = unit("default");
    target.is_target = true;
    target.unit.wants = {"web", "db", "api"};
    auto api = unit("api");
    api.unit.requires_ = {"db"};
    Stage stage({target, unit("web"), unit("db"), api});
    REQUIRE(stage.manager.request_boot("default", {"web", "db"}));
    CHECK(stage.state("web") == State::kInactive);
    CHECK(stage.state("db") != State::kInactive);
    CHECK(stage.state("api") != State::kInactive);
    // Only that request.
    REQUIRE(stage.manager.request(Request::kStart, "default"));
    CHECK(stage.state("web") != State::kInactive);
}

TEST_CASE("policy: what was started is kept while its restart waits, and no longer", "[service]") {
    Stage stage({restarting(Restart::kAlways)});
    stage.up("web");
    stage.exited("web", 1);
    const auto is_kept = [&] { return stage.world.kept.contains("web"); };
    SECTION("a stop during the teardown decides against the restart") {
        REQUIRE(is_kept());
        (void)stage.ask(Request::kStop, "web");
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kInactive);
        CHECK_FALSE(is_kept());
    }
    SECTION("while it waits") {
        stage.torn_down("web");
        REQUIRE(stage.state("web") == State::kBackoff);
        REQUIRE(is_kept());
        SECTION("a stop ends it") {
            (void)stage.ask(Request::kStop, "web");
            CHECK_FALSE(is_kept());
        }
        SECTION("the restart takes it over, and its end is the end") {
            stage.fire("web", TimerKind::kBackoff);
            CHECK(is_kept());
            CHECK(stage.record("web").kept == 0);
            stage.started("web");
            (void)stage.ask(Request::kStop, "web");
            stage.exited("web", 0);
            stage.torn_down("web");
            CHECK(stage.state("web") == State::kInactive);
        }
    }
}

TEST_CASE("policy: a stop of everything is bounded by the longest chain of timeouts", "[service]") {
    auto db = unit("db");
    auto web = unit("web");
    auto rests = unit("rests");
    db.service.timeout_stop = 100s;
    web.service.timeout_stop = 200s;
    web.unit.after = {"db"};
    rests.service.timeout_stop = config::kForever;
    Stage stage({db, web, rests});
    CHECK(stage.manager.stop_bound() == 0s);
    stage.up("db");
    CHECK(stage.manager.stop_bound() == 102s);
    stage.up("web");
    CHECK(stage.manager.stop_bound() == 304s);
    stage.up("rests");
    CHECK(stage.manager.stop_bound() == config::kForever);
}

TEST_CASE("policy: a reason that is too long for its record says that it was cut", "[service]") {
    Stage stage({unit("web")});
    (void)stage.ask(Request::kStart, "web");
    stage.manager.on_launch_failed(
        stage.main("web"), {.plugin = "core", .operation = "exec", .text = std::string(300, 'x')});
    const Record& record = stage.world.records.at("web");
    CHECK(std::string(record.because) == std::string(156, 'x') + "...");
    CHECK(stage.because("web").size() == 300);
}

TEST_CASE("policy: exit codes and signals that count as success", "[service]") {
    config::ServiceTable service;
    service.success_exit_status = {143};
    service.success_signals = {SIGUSR1};
    const auto of = [&](bool by_signal, int code) {
        return ending_of({.by_signal = by_signal, .code = code}, service);
    };
    CHECK(of(false, 0) == Ending::kClean);
    CHECK(of(false, 143) == Ending::kClean);
    CHECK(of(false, 1) == Ending::kExitCode);
    CHECK(of(true, SIGTERM) == Ending::kClean);
    CHECK(of(true, SIGUSR1) == Ending::kClean);
    CHECK(of(true, SIGKILL) == Ending::kSignal);
    service.type = config::ServiceType::kOneshot;
    CHECK(of(true, SIGTERM) == Ending::kSignal);
}

TEST_CASE("policy: the delay doubles up to its maximum", "[service]") {
    config::ServiceTable service;
    service.restart_delay = 100ms;
    service.restart_delay_max = 1s;
    CHECK(backoff_delay(service, 0) == 100ms);
    CHECK(backoff_delay(service, 3) == 800ms);
    CHECK(backoff_delay(service, 4) == 1s);
    CHECK(backoff_delay(service, 4'000'000'000U) == 1s);
    service.restart_delay = 0s;
    CHECK(backoff_delay(service, 9) == 0s);
}

TEST_CASE("policy: a crash waits for its delay, grows it, and a stable time forgives",
          "[service][S1.10]") {
    Stage stage({restarting(Restart::kUnlessStopped)});
    stage.up("web");
    CHECK_FALSE(stage.timer("web", TimerKind::kStable));
    const Token first = stage.main("web");
    for (const auto delay : {100ms, 200ms}) {
        stage.died("web", SIGKILL);
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kBackoff);
        CHECK(stage.because("web") == "ended by SIGKILL");
        CHECK(stage.timer("web", TimerKind::kBackoff) == delay);
        stage.fire("web", TimerKind::kBackoff);
        CHECK(stage.main("web") > first);
        stage.started("web");
    }
    CHECK(stage.record("web").restarts == 2);
    CHECK(stage.timer("web", TimerKind::kStable) == 10s);
    stage.fire("web", TimerKind::kStable);
    stage.died("web", SIGKILL);
    stage.torn_down("web");
    CHECK(stage.timer("web", TimerKind::kBackoff) == 100ms);
    SECTION("a stop during the wait ends it") {
        const JobId stop = stage.ask(Request::kStop, "web");
        CHECK(stage.state("web") == State::kInactive);
        CHECK(stage.result(stop).outcome == JobOutcome::kDone);
        CHECK_FALSE(stage.timer("web", TimerKind::kBackoff));
    }
    SECTION("a start during the wait does not wait") {
        (void)stage.ask(Request::kStart, "web");
        CHECK(stage.state("web") == State::kStarting);
    }
}

TEST_CASE("policy: nothing restarts past its limit, within the interval", "[service]") {
    auto web = restarting(Restart::kAlways);
    web.unit.start_limit_burst = 2;
    Stage stage({web});
    stage.up("web");
    const auto crash = [&] {
        stage.exited("web", 1);
        stage.torn_down("web");
    };
    crash();
    stage.fire("web", TimerKind::kBackoff);
    stage.started("web");
    crash();
    SECTION("the third start within ten seconds is refused") {
        stage.fire("web", TimerKind::kBackoff);
        CHECK(stage.state("web") == State::kFailed);
        CHECK(stage.because("web") ==
              "start limit: 2 starts within 10 s; last: exit code 1; "
              "start it again when that is mended");
        SECTION("but a person may start it") {
            stage.up("web");
            CHECK(stage.state("web") == State::kRunning);
        }
        SECTION("reset_failed forgets") {
            stage.manager.reset_failed("web");
            CHECK(stage.state("web") == State::kInactive);
        }
    }
    SECTION("later it counts anew") {
        stage.world.now += 11'000'000'000;
        stage.fire("web", TimerKind::kBackoff);
        CHECK(stage.state("web") == State::kStarting);
    }
}

TEST_CASE("policy: the teardown after a crash tells that a start follows", "[service]") {
    Stage stage({restarting(Restart::kUnlessStopped)});
    stage.up("web");
    const Token crashed = stage.main("web");
    stage.died("web", SIGKILL);
    CHECK(stage.world.restarting == std::set<Token>{crashed});
    stage.torn_down("web");
    CHECK(stage.state("web") == State::kBackoff);
}

TEST_CASE("policy: a manual stop is not answered by a restart", "[service][S1.10]") {
    Stage stage({restarting(Restart::kUnlessStopped)});
    stage.up("web");
    const JobId stop = stage.ask(Request::kStop, "web");
    stage.exited("web", 143);
    stage.torn_down("web");
    CHECK(stage.state("web") == State::kInactive);
    CHECK(stage.record("web").wanted_up == 0);
    CHECK(stage.world.restarting.empty());
    CHECK(stage.result(stop).outcome == JobOutcome::kDone);
}
