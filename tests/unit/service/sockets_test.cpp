#include <catch2/catch.hpp>
#include <csignal>

#include "fakes.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using config::Restart;
using fakes::Stage;
using fakes::unit;

namespace {

config::Unit listening(std::string name, config::Activation activation) {
    auto made = unit(std::move(name));
    made.socket.make().listen = {"tcp:127.0.0.1:80"};
    made.socket.make().activation = activation;
    return made;
}
config::Unit on_demand(std::string name) {
    return listening(std::move(name), config::Activation::kOnDemand);
}

/// Asked to start, and its sockets are open.
JobId listens(Stage& stage, const std::string& name) {
    const JobId job = stage.ask(Request::kStart, name);
    REQUIRE(stage.last_launch() == Purpose::kListen);
    stage.manager.on_started(stage.control(name), 0, 1);
    return job;
}

void run_once(Stage& stage, const std::string& name, int code) {
    stage.manager.on_activated(name);
    stage.started(name);
    stage.exited(name, code);
    stage.torn_down(name);
}

}  // namespace

TEST_CASE("sockets: a unit that connections start listens, runs, and listens again",
          "[service][sockets]") {
    Stage stage({on_demand("web")});
    const JobId job = listens(stage, "web");
    CHECK(stage.state("web") == State::kListening);
    CHECK(stage.settled(job));
    CHECK(stage.world.launches.size() == 1);  // nothing was executed
    CHECK(stage.world.awaited.contains("web"));

    stage.world.awaited.clear();
    stage.manager.on_activated("web");
    CHECK(stage.last_launch() == Purpose::kMain);
    stage.started("web");
    CHECK(stage.state("web") == State::kRunning);
    CHECK_FALSE(stage.world.awaited.contains("web"));
    stage.exited("web", 0);
    stage.torn_down("web");
    CHECK(stage.state("web") == State::kListening);
    CHECK(stage.world.awaited.contains("web"));
    CHECK(stage.world.closed.empty());

    const JobId stop = stage.ask(Request::kStop, "web");
    CHECK(stage.world.closed == std::vector<std::string>{"web"});
    CHECK_FALSE(stage.settled(stop));  // whoever stops it may use the address right after
    stage.shut("web");
    CHECK(stage.settled(stop));
    CHECK(stage.state("web") == State::kInactive);
}

TEST_CASE("sockets: those of an eager unit stay open over its restarts", "[service][sockets]") {
    auto web = listening("web", config::Activation::kEager);
    web.service.restart = Restart::kOnFailure;
    Stage stage({web});
    stage.up("web");
    CHECK(stage.world.launches.front().purpose == Purpose::kMain);
    stage.exited("web", 1);
    stage.torn_down("web");
    CHECK(stage.state("web") == State::kBackoff);
    (void)stage.ask(Request::kRestart, "web");
    stage.started("web");
    CHECK(stage.world.closed.empty());
    stage.exited("web", 0);
    stage.torn_down("web");
    CHECK(stage.world.closed == std::vector<std::string>{"web"});
}

TEST_CASE("sockets: who needs a listening unit starts, and stays while it runs and ends",
          "[service][sockets]") {
    auto client = unit("client");
    client.unit.binds_to = {"web"};
    Stage stage({on_demand("web"), client});
    (void)stage.ask(Request::kStart, "client");
    CHECK(stage.state("client") == State::kWaiting);
    stage.manager.on_started(stage.control("web"), 0, 1);
    stage.started("client");
    CHECK(stage.state("client") == State::kRunning);
    run_once(stage, "web", 0);
    CHECK(stage.state("web") == State::kListening);
    CHECK(stage.state("client") == State::kRunning);
    (void)stage.ask(Request::kStop, "web");  // control: now it goes
    CHECK(stage.state("client") == State::kStopping);
}

TEST_CASE("sockets: one that crashes listens again, but not beyond its start limit",
          "[service][sockets]") {
    auto web = on_demand("web");
    web.unit.start_limit_burst = 2;
    Stage stage({web});
    (void)listens(stage, "web");
    run_once(stage, "web", 3);
    CHECK(stage.state("web") == State::kListening);
    CHECK(stage.because("web") == "exit code 3");
    run_once(stage, "web", 3);
    CHECK(stage.state("web") == State::kStopping);
    stage.shut("web");
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.world.closed == std::vector<std::string>{"web"});
}

TEST_CASE("sockets: what keeps them from being opened fails the start", "[service][sockets]") {
    Stage stage({on_demand("web")});
    const JobId job = stage.ask(Request::kStart, "web");
    stage.manager.on_launch_failed(stage.control("web"),
                                   {EADDRINUSE, "core", "listen", "tcp:80: is in use by x"});
    stage.shut("web");
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.result(job).text.find("in use by x") != std::string::npos);
    CHECK(stage.world.teardowns.empty());
}

TEST_CASE("sockets: a stop while they are being opened ends it at once", "[service][sockets]") {
    Stage stage({on_demand("web")});
    (void)stage.ask(Request::kStart, "web");
    const Token token = stage.control("web");
    (void)stage.ask(Request::kStop, "web");
    stage.shut("web");
    CHECK(stage.state("web") == State::kInactive);
    CHECK_FALSE(stage.manager.on_started(token, 0, 1));
    CHECK(stage.state("web") == State::kInactive);
    CHECK(stage.world.closed == std::vector<std::string>{"web"});
}

TEST_CASE("sockets: a unit whose sockets are lost has failed, and says why", "[service][sockets]") {
    Stage stage({on_demand("web")});
    (void)listens(stage, "web");
    stage.manager.on_activated("web", "trigger limit: …");
    stage.shut("web");
    CHECK(stage.state("web") == State::kFailed);
    CHECK(stage.because("web") == "trigger limit: …");
    CHECK(stage.world.closed == std::vector<std::string>{"web"});
}

TEST_CASE("sockets: a new engine waits for connections again", "[service][sockets]") {
    Stage stage({on_demand("web")});
    (void)listens(stage, "web");
    Stage second({on_demand("web")});
    second.manager.restore({stage.world.records.at("web")});
    second.manager.resume();
    CHECK(second.state("web") == State::kListening);
    CHECK(second.world.awaited.contains("web"));
    second.manager.on_activated("web");
    CHECK(second.last_launch() == Purpose::kMain);
}

TEST_CASE("sockets: an instance for one connection goes when it is over", "[service][sockets]") {
    auto instance = unit("echo@:1:127.0.0.1");
    instance.service.restart = Restart::kAlways;
    Stage stage({unit("other")});
    (void)stage.manager.add({instance});
    stage.up(instance.name);
    stage.manager.forget_when_down(instance.name);
    CHECK(stage.state(instance.name) == State::kRunning);
    CHECK_FALSE(stage.manager.status(instance.name)->stale);
    stage.exited(instance.name, 1);
    CHECK(stage.world.dropped_units.empty());
    stage.torn_down(instance.name);
    CHECK_FALSE(stage.manager.status(instance.name));
    CHECK(stage.world.dropped_units == std::vector<std::string>{instance.name});
}
