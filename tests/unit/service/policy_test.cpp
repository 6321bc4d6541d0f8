#include "service/policy.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <iostream>

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

std::string number(std::size_t at) {
    return std::string("u").append(std::to_string(at));
}

std::vector<config::Command> commands(std::size_t count) {
    return std::vector<config::Command>(count, config::Command{"/bin/x"});
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

TEST_CASE("stop: the signal, SIGCONT, and after the timeout SIGKILL to all", "[service]") {
    Stage stage({unit("web")});
    stage.up("web");
    (void)stage.ask(Request::kStop, "web");
    const Token token = stage.main("web");
    CHECK(stage.world.signals == std::vector<Signalled>{{"web", token, SIGTERM, Whom::kProcess},
                                                        {"web", token, SIGCONT, Whom::kProcess}});
    stage.fire("web", TimerKind::kStopTimeout);
    CHECK(stage.world.signals.back() == Signalled{"web", token, SIGKILL, Whom::kAll});
    CHECK(stage.world.teardowns.empty());
    stage.died("web", SIGKILL);
    CHECK(stage.world.teardowns.size() == 1);
    CHECK(stage.world.restarting.empty());
    stage.torn_down("web");
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.because("web") ==
          "did not stop within 90 s, killed; raise timeout_stop if it needs longer");
}

TEST_CASE("stop: a launch under way is told again when it is answered", "[service]") {
    Stage stage({unit("web")});
    (void)stage.ask(Request::kStart, "web");
    (void)stage.ask(Request::kStop, "web");
    const std::size_t before = stage.world.signals.size();
    stage.started("web");
    CHECK(stage.world.signals.size() == before + 2);
}

TEST_CASE("start: commands run in order around the program", "[service]") {
    auto web = unit("web");
    web.service.exec_start_pre = commands(2);
    web.service.exec_start_post = commands(1);
    web.service.exec_stop = commands(2);
    web.service.exec_stop_post = commands(1);
    web.service.exec_reload = commands(1);
    Stage stage({web});
    const JobId start = stage.ask(Request::kStart, "web");
    CHECK(stage.last_launch() == Purpose::kStartPre);
    CHECK(stage.world.launches.back().main_token == stage.main("web"));
    stage.command("web", 0);
    CHECK(stage.world.launches.back().command == 1);
    SECTION("a failing exec_start_pre fails the start, and exec_stop_post still runs") {
        stage.command("web", 3);
        CHECK(stage.last_launch() == Purpose::kStopPost);
        stage.command("web", 0);
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kFailed);
        CHECK(stage.result(start).outcome == JobOutcome::kFailed);
        CHECK(stage.result(start).text == "exec_start_pre 2: exit code 3");
    }
    SECTION("all goes well") {
        stage.command("web", 0);
        CHECK(stage.last_launch() == Purpose::kMain);
        stage.started("web");
        CHECK(stage.last_launch() == Purpose::kStartPost);
        CHECK_FALSE(stage.settled(start));
        stage.command("web", 0);
        CHECK(stage.result(start).outcome == JobOutcome::kDone);
        const JobId reload = stage.ask(Request::kReload, "web");
        CHECK(stage.state("web") == State::kReloading);
        stage.command("web", 1);
        CHECK(stage.result(reload).text == "exec_reload: exit code 1");
        CHECK(stage.state("web") == State::kRunning);
        (void)stage.ask(Request::kStop, "web");
        CHECK(stage.last_launch() == Purpose::kStop);
        stage.command("web", 0);
        stage.command("web", 0);
        stage.died("web", SIGTERM);
        CHECK(stage.last_launch() == Purpose::kStopPost);
        CHECK(stage.world.launches.back().main_status == SIGTERM);
        stage.command("web", 0);
        stage.torn_down("web");
        CHECK(stage.state("web") == State::kInactive);
    }
}

TEST_CASE("start: an exit heard before its start, and a failure heard after its exit",
          "[service]") {
    Stage stage({unit("web")});
    const JobId start = stage.ask(Request::kStart, "web");
    stage.exited("web", 127);
    CHECK(stage.because("web") == "exit code 127");
    CHECK(stage.manager.on_launch_failed(
        stage.main("web"), {ENOENT, "core", "exec", "exec /bin/x: No such file or directory"}));
    stage.torn_down("web");
    CHECK(stage.because("web") == "exec /bin/x: No such file or directory");
    CHECK(stage.result(start).outcome == JobOutcome::kFailed);
    CHECK(stage.world.teardowns.size() == 1);
    CHECK_FALSE(stage.manager.on_started(4711, 1, 1));
}

TEST_CASE("start: a timeout ends it, with a cure", "[service]") {
    auto job = unit("job");
    job.service.type = config::ServiceType::kOneshot;
    Stage stage({job});
    const JobId start = stage.ask(Request::kStart, "job");
    stage.started("job");
    stage.fire("job", TimerKind::kStartTimeout);
    stage.died("job", SIGTERM);
    stage.torn_down("job");
    CHECK(stage.result(start).outcome == JobOutcome::kTimeout);
    CHECK(stage.because("job").starts_with("did not start within 90 s"));
}

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
