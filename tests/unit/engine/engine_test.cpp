#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "base/clock.hpp"
#include "engine_world.hpp"

using namespace jailsvc;
using control::Json;

TEST_CASE("engine: starts what is wanted, and its successor finds it running", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kWeb);
    rest.write_unit("other", kOther);
    rest.boot();
    const auto start = rest.run_next_start(::getpid());
    CHECK(ipc::get_text(start.unit) == "web");
    CHECK(start.purpose == ipc::Purpose::kMain);
    wait_for_state(rest, "web", "running");
    CHECK(status_of(rest, "web")["memory"] > 0);

    rest.kill_engine();
    const auto lives = alive(start, ::getpid());
    rest.boot(&lives);
    CHECK(status_of(rest, "web")["state"] == "running");
    CHECK(status_of(rest, "web")["pid"] == ::getpid());

    // The first thing it asks for is the other unit: nothing was started twice.
    auto client = rest.connect();
    REQUIRE(client.send("Start", {{"units", {"other"}}}));
    const auto other = rest.run_next_start(::getpid());
    CHECK(ipc::get_text(other.unit) == "other");
    CHECK(other.token > start.token);
    CHECK(client.receive()->reply.parameters["outcomes"][0]["result"] == "done");

    rest.tell_exit(start, 0);
    rest.tear_down();
    wait_for_state(rest, "web", "inactive");
    CHECK(status_of(rest, "web")["last_exit"] == Json({{"kind", "exited"}, {"code", 0}}));
}

TEST_CASE("engine: a shutdown stops everything and says so", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kWeb);
    rest.boot();
    const auto start = rest.run_next_start(::getpid());
    wait_for_state(rest, "web", "running");
    auto shutdown = ipc::make<ipc::Shutdown>();
    shutdown.kind = ipc::ShutdownKind::kReboot;
    rest.send(rest.keeper, shutdown);
    const std::uint64_t allowed = 92'000'000'000;  // timeout_stop of a unit that names none
    CHECK(rest.expect<ipc::Stopping>(rest.keeper).deadline_ns > boottime_ns() + allowed);
    CHECK(rest.expect<ipc::Signal>(rest.jailer).signo == SIGTERM);
    CHECK(rest.expect<ipc::Signal>(rest.jailer).signo == SIGCONT);
    rest.tell_exit(start, SIGTERM);
    rest.tear_down();
    CHECK(rest.expect<ipc::ShutdownDone>(rest.keeper).kind == ipc::ShutdownKind::kReboot);
}

TEST_CASE("engine: the keeper is told of an end that a client asks for, and how long it takes",
          "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kWeb);
    rest.boot();
    const auto start = rest.run_next_start(::getpid());
    wait_for_state(rest, "web", "running");
    auto client = rest.connect();
    REQUIRE(client.call("Shutdown", {{"kind", "reboot"}}));
    const auto told = rest.expect<ipc::Shutdown>(rest.keeper);
    CHECK(told.kind == ipc::ShutdownKind::kReboot);
    CHECK(told.signal == 0);
    CHECK(told.deadline_ns > boottime_ns() + 92'000'000'000);
    (void)rest.expect<ipc::Signal>(rest.jailer);
    (void)rest.expect<ipc::Signal>(rest.jailer);

    // Its successor tells it again: it may have died in between.
    rest.kill_engine();
    auto alive = ipc::make<ipc::Alive>();
    alive.token = start.token;
    alive.pid = ::getpid();
    ipc::set_text(alive.unit, "web");
    rest.boot(&alive);
    CHECK(rest.expect<ipc::Shutdown>(rest.keeper).kind == ipc::ShutdownKind::kReboot);
    (void)rest.expect<ipc::Signal>(rest.jailer);
    (void)rest.expect<ipc::Signal>(rest.jailer);
    rest.tell_exit(start, SIGTERM);
    rest.tear_down();
    CHECK(rest.expect<ipc::ShutdownDone>(rest.keeper).kind == ipc::ShutdownKind::kReboot);
}

TEST_CASE("engine: a heartbeat is answered", "[engine]") {
    FakeRest rest;
    rest.boot();
    auto beat = ipc::make<ipc::Heartbeat>();
    beat.serial = 77;
    rest.send(rest.keeper, beat);
    CHECK(rest.expect<ipc::Heartbeat>(rest.keeper).serial == 77);
}

TEST_CASE("engine: a broken file is told and disturbs neither others nor what runs", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kWeb);
    rest.write_unit("bad", "[service]\nexec_strat = [\"/bin/x\"]\n");
    rest.boot();
    (void)rest.run_next_start(::getpid());
    wait_for_state(rest, "web", "running");
    auto client = rest.connect();
    auto answer = client.call("Start", {{"units", {"bad"}}});
    REQUIRE(answer);
    CHECK(answer->reply.error == "io.jailsvc.Control.InvalidUnit");

    rest.write_unit("web", "[service\n");
    rest.write_unit("new", kOther);
    answer = client.call("DaemonReload");
    REQUIRE(answer);
    CHECK(answer->reply.parameters["added"] == Json({"new"}));
    CHECK(answer->reply.parameters["errors"].size() >= 2);
    CHECK(status_of(rest, "web")["state"] == "running");
    (void)rest.expect<ipc::ReloadUnits>(rest.jailer);
}

TEST_CASE("engine: instances of a template come all at once, and those of none do not",
          "[engine]") {
    FakeRest rest;
    rest.write_unit("w@", "[service]\nexec_start = [\"/bin/w\", \"%i\"]\n");
    rest.write_unit("stl@", "[service]\nexec_start = [\"/bin/w\"]\nnice = \"%i\"\n");
    rest.boot();
    auto client = rest.connect();
    Json units = Json::array();
    for (int i = 0; i < 500; ++i) units.push_back("w@" + std::to_string(i));
    for (const char* other : {"none@1", "stl@1", "ww@"}) units.push_back(other);
    const auto answer = client.call("ResetFailed", {{"units", units}});
    REQUIRE(answer);
    const Json outcomes = answer->reply.parameters["outcomes"];
    REQUIRE(outcomes.size() == 503);
    CHECK(outcomes[0]["result"] == "done");
    CHECK(outcomes[499]["result"] == "done");
    CHECK(outcomes[500]["message"] == "there is no such unit; see `jailsvc list`");
    CHECK(outcomes[501]["result"] == "refused");
    CHECK(outcomes[502]["message"] == "there is no such unit; did you mean \"w@\"?");
    CHECK(client.call("Status")->reply.parameters["units"].size() == 501);  // with the broken one
}

TEST_CASE("engine: what a unit wants in vain is told with its status", "[engine]") {
    FakeRest rest;
    rest.write_unit("web",
                    "[unit]\nwants = [\"ghost\", \"bad\", \"other\"]\n" + std::string(kOther));
    rest.write_unit("bad", "[service]\n");
    rest.write_unit("other", kOther);
    rest.write_unit("needs", "[unit]\nrequires = [\"bad\"]\n" + std::string(kOther));
    rest.boot();
    CHECK(status_of(rest, "web")["notes"] ==
          Json::array({"wants ghost, which does not exist; add it or drop the line",
                       "wants bad, whose file has errors"}));
    CHECK(status_of(rest, "other")["notes"] == Json::array());
    const std::string because = status_of(rest, "needs")["because"];
    CHECK(because.starts_with("requires bad, whose file has errors: "));
    CHECK(because.find("bad.toml:1:2: exec_start: missing") != std::string::npos);
}
