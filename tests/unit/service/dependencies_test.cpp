#include <catch2/catch.hpp>
#include <csignal>

#include "fakes.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using config::Restart;
using fakes::Stage;
using fakes::unit;

namespace {

config::Unit bound(std::string name, const std::string& to) {
    auto made = unit(std::move(name));
    made.unit.binds_to = {to};
    return made;
}

config::Unit restarting(std::string name) {
    auto made = unit(std::move(name));
    made.service.restart = Restart::kAlways;
    return made;
}

config::Unit oneshot(std::string name) {
    auto made = unit(std::move(name));
    made.service.type = config::ServiceType::kOneshot;
    return made;
}

}  // namespace

TEST_CASE("dependencies: who binds to a unit is down while it restarts, and comes back",
          "[service]") {
    auto web = unit("web");
    web.unit.requires_ = {"api"};
    auto cache = unit("cache");  // the control: what merely requires it stays
    cache.unit.requires_ = {"db"};
    Stage stage({restarting("db"), bound("api", "db"), web, cache});
    (void)stage.ask(Request::kStart, "web");
    stage.started("db");
    stage.started("api");
    stage.started("web");
    stage.up("cache");

    stage.died("db", SIGSEGV);
    CHECK(stage.state("cache") == State::kRunning);
    CHECK(stage.state("web") == State::kStopping);  // first, since it requires what goes down
    CHECK(stage.state("api") == State::kRunning);
    CHECK(stage.because("web").find("db") != std::string::npos);
    stage.died("web", SIGTERM);
    stage.torn_down("web");
    CHECK(stage.state("api") == State::kStopping);
    stage.died("api", SIGTERM);
    stage.torn_down("api");
    CHECK(stage.state("api") == State::kWaiting);

    stage.torn_down("db");
    stage.fire("db", TimerKind::kBackoff);
    stage.started("db");
    CHECK(stage.state("api") == State::kStarting);
    stage.started("api");
    stage.started("web");
    CHECK(stage.state("web") == State::kRunning);
}

TEST_CASE("dependencies: what binds to a unit that is absent cannot start", "[service]") {
    Stage stage({bound("api", "db")});
    const auto job = stage.manager.request(Request::kStart, "api");
    REQUIRE_FALSE(job);
    CHECK(job.error().message.find("binds to db, which does not exist") != std::string::npos);
}

TEST_CASE("dependencies: what failed with a unit comes back with it", "[service]") {
    auto web = unit("web");
    web.unit.requires_ = {"db"};
    Stage stage({unit("db"), web});
    (void)stage.ask(Request::kStart, "web");
    stage.exited("db", 1);
    stage.torn_down("db");
    REQUIRE(stage.state("web") == State::kFailed);

    SECTION("when that is started again") {
        stage.up("db");
        CHECK(stage.state("web") == State::kStarting);
        stage.started("web");
        CHECK(stage.state("web") == State::kRunning);
    }
    SECTION("but not after it was stopped") {
        (void)stage.ask(Request::kStop, "web");
        stage.up("db");
        CHECK(stage.state("web") == State::kFailed);
    }
    SECTION("but not after its failure was forgotten") {
        stage.manager.reset_failed("web");
        stage.up("db");
        CHECK(stage.state("web") == State::kInactive);
    }
}

TEST_CASE("dependencies: on_failure starts units, on_success others", "[service]") {
    auto job = oneshot("job");
    job.unit.on_failure = {"alarm"};
    job.unit.on_success = {"next", "absent"};
    Stage stage({job, unit("alarm"), unit("next")});
    (void)stage.ask(Request::kStart, "job");
    stage.started("job");

    SECTION("failed") {
        stage.exited("job", 3);
        CHECK(stage.state("alarm") == State::kInactive);  // not before it has gone
        stage.torn_down("job");
        CHECK(stage.state("alarm") == State::kStarting);
        CHECK(stage.state("next") == State::kInactive);
        CHECK(stage.world.notes.empty());
    }
    SECTION("done") {
        stage.exited("job", 0);
        CHECK(stage.state("next") == State::kStarting);
        CHECK(stage.state("alarm") == State::kInactive);
        REQUIRE(stage.world.notes.size() == 1);
        CHECK(stage.world.notes.front() == "job: on_success: not started: absent: no such unit");
    }
    SECTION("stopped") {
        (void)stage.ask(Request::kStop, "job");
        stage.died("job", SIGTERM);
        stage.torn_down("job");
        CHECK(stage.state("alarm") == State::kInactive);
        CHECK(stage.state("next") == State::kInactive);
    }
}

TEST_CASE("dependencies: a service that ends well without being asked is a success", "[service]") {
    auto job = unit("job");
    job.unit.on_success = {"next"};
    Stage stage({job, unit("next")});
    stage.up("job");
    SECTION("by itself") {
        stage.exited("job", 0);
        CHECK(stage.state("next") == State::kStarting);
    }
    SECTION("stopped") {
        (void)stage.ask(Request::kStop, "job");
        stage.exited("job", 0);
        stage.torn_down("job");
        CHECK(stage.state("next") == State::kInactive);
    }
}

TEST_CASE("dependencies: units that start each other end at their start limits", "[service]") {
    auto ping = oneshot("ping");
    auto pong = oneshot("pong");
    ping.unit.on_failure = {"pong"};
    pong.unit.on_failure = {"ping"};
    ping.unit.start_limit_burst = pong.unit.start_limit_burst = 3;
    Stage stage({ping, pong});
    (void)stage.ask(Request::kStart, "ping");
    std::size_t starts = 0;
    const auto fail_one = [&](const std::string& name) {
        if (stage.state(name) != State::kStarting) return false;
        ++starts;
        stage.exited(name, 1);
        stage.torn_down(name);
        return true;
    };
    while (fail_one("ping") || fail_one("pong")) REQUIRE(starts < 100);
    CHECK(starts == 6);
    REQUIRE(stage.world.notes.size() == 1);
    CHECK(stage.world.notes.front().find("start limit") != std::string::npos);
}

TEST_CASE("dependencies: the end of an essential unit is told with its exit code", "[service]") {
    auto app = unit("app");
    app.unit.essential = true;
    using Ends = std::vector<std::pair<std::string, int>>;

    SECTION("an exit code") {
        Stage stage({app});
        stage.up("app");
        stage.exited("app", 3);
        CHECK(stage.world.ends.empty());
        stage.torn_down("app");
        CHECK(stage.world.ends == Ends{{"app", 3}});
    }
    SECTION("a signal") {
        Stage stage({app});
        stage.up("app");
        stage.died("app", SIGSEGV);
        stage.torn_down("app");
        CHECK(stage.world.ends == Ends{{"app", 128 + SIGSEGV}});
    }
    SECTION("well") {
        Stage stage({app});
        stage.up("app");
        stage.exited("app", 0);
        stage.torn_down("app");
        CHECK(stage.world.ends == Ends{{"app", 0}});
    }
    SECTION("not while its policy restarts it") {
        app.service.restart = Restart::kAlways;
        Stage stage({app});
        stage.up("app");
        stage.exited("app", 3);
        stage.torn_down("app");
        CHECK(stage.world.ends.empty());
    }
    SECTION("not when somebody stops or restarts it") {
        Stage stage({app});
        stage.up("app");
        (void)stage.ask(Request::kRestart, "app");
        stage.died("app", SIGTERM);
        stage.torn_down("app");
        stage.started("app");
        (void)stage.ask(Request::kStop, "app");
        stage.died("app", SIGTERM);
        stage.torn_down("app");
        CHECK(stage.world.ends.empty());
    }
    SECTION("when what it requires fails before it could start") {
        app.unit.requires_ = {"db"};
        Stage stage({app, unit("db")});
        (void)stage.ask(Request::kStart, "app");
        stage.exited("db", 7);
        stage.torn_down("db");
        CHECK(stage.world.ends == Ends{{"app", 1}});
    }
    SECTION("when it cannot be executed") {
        Stage stage({app});
        (void)stage.ask(Request::kStart, "app");
        stage.manager.on_launch_failed(stage.main("app"), {2, "core", "exec", "no such program"});
        stage.torn_down("app");
        CHECK(stage.world.ends == Ends{{"app", 1}});
    }
}

TEST_CASE("dependencies: units that are on a cycle by now can be stopped", "[service]") {
    auto b = unit("b");
    b.unit.requires_ = {"a"};
    auto c = unit("c");
    c.unit.requires_ = {"b"};
    Stage stage({unit("a"), b, c});
    (void)stage.ask(Request::kStart, "c");
    for (const char* name : {"a", "b", "c"}) stage.started(name);
    auto a = unit("a");
    a.unit.requires_ = {"b"};
    a.digest = digest_of("a, changed");
    CHECK_FALSE(stage.manager.load({a, b, c}).errors.empty());
    CHECK(stage.state("a") == State::kRunning);

    const auto everything = GENERATE(false, true);
    const JobId job = everything ? stage.manager.stop_all() : stage.ask(Request::kStop, "a");
    for (int rounds = 0; rounds < 3; ++rounds) {
        for (const char* name : {"a", "b", "c"}) {
            if (stage.state(name) != State::kStopping) continue;
            CHECK((std::string(name) != "b" || stage.state("c") == State::kInactive));
            stage.died(name, SIGTERM);
            stage.torn_down(name);
        }
    }
    CHECK(stage.settled(job));
    for (const char* name : {"a", "b", "c"}) CHECK(stage.state(name) == State::kInactive);
}

TEST_CASE("dependencies: a unit that comes later has its edges, and leaves none behind",
          "[service]") {
    auto worker = unit("worker@1");
    worker.unit.requires_ = {"db"};
    worker.unit.conflicts = {"rival"};
    worker.unit.part_of = {"group"};
    Stage stage({unit("db"), unit("group"), unit("rival")});
    for (int round = 0; round < 2; ++round) {
        CHECK(stage.manager.add({worker}).added == std::vector<std::string>{"worker@1"});
        (void)stage.ask(Request::kStart, "worker@1");
        CHECK(stage.state("worker@1") == State::kWaiting);
        stage.manager.forget_when_down("worker@1");
        stage.started("db");
        stage.started("worker@1");
        CHECK(stage.state("worker@1") == State::kRunning);

        // The requirement stops after it, then nothing is left of it.
        const JobId stop = stage.ask(Request::kStop, "db");
        CHECK(stage.state("db") == State::kRunning);
        stage.died("worker@1", SIGTERM);
        stage.torn_down("worker@1");
        CHECK_FALSE(stage.manager.status("worker@1"));
        stage.died("db", SIGTERM);
        stage.torn_down("db");
        CHECK(stage.settled(stop));
    }
    CHECK(stage.world.dropped_units == std::vector<std::string>(2, "worker@1"));
}

TEST_CASE("dependencies: what comes later is what others have named, or wanted to follow",
          "[service]") {
    auto web = unit("web");
    web.unit.requires_ = {"worker@1"};
    auto first = unit("first");
    first.unit.before = {"web"};
    Stage stage({web, unit("other")});
    CHECK_FALSE(stage.manager.request(Request::kStart, "web"));  // the control: it lacks one
    CHECK(stage.manager.add({unit("worker@1"), first}).errors.empty());
    (void)stage.ask(Request::kStart, "first");
    (void)stage.ask(Request::kStart, "web");
    stage.started("worker@1");
    CHECK(stage.state("web") == State::kWaiting);
    stage.started("first");
    CHECK(stage.state("web") == State::kStarting);
}

TEST_CASE("dependencies: of a unit that comes later it is told why it cannot start", "[service]") {
    auto masked = unit("masked");
    masked.unit.masked = true;
    Stage stage({masked});
    auto needs = unit("needs@1");
    needs.unit.requires_ = {"masked"};
    const auto report = stage.manager.add({needs});
    REQUIRE(report.errors.size() == 1);
    CHECK(report.errors.front().find("needs@1: requires masked, which cannot start") == 0);
    CHECK_FALSE(stage.manager.request(Request::kStart, "needs@1"));
}
