// The signals and commands of one unit: how it starts and how it ends.

#include <catch2/catch.hpp>
#include <csignal>

#include "fakes.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using namespace jailsvc::service::fakes;

namespace {

std::vector<config::Command> commands(std::size_t count) {
    return std::vector<config::Command>(count, config::Command{"/bin/x"});
}

}  // namespace

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
