#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "base/clock.hpp"
#include "base/sys.hpp"
#include "fake_rest.hpp"

using namespace jailsvc;
using control::Json;

namespace {

constexpr const char* kWeb =
    "[service]\nexec_start = [\"/bin/web\"]\n[install]\n"
    "wanted_by = [\"default\"]\n";
constexpr const char* kOther = "[service]\nexec_start = [\"/bin/other\"]\n";

Json status_of(FakeRest& rest, const std::string& unit) {
    auto answer = rest.connect().call("Status", {{"units", {unit}}});
    REQUIRE(answer);
    REQUIRE(answer->reply.error == "");
    return answer->reply.parameters["units"][0];
}

ipc::Alive alive(const ipc::Start& start, pid_t pid) {
    auto message = ipc::make<ipc::Alive>();
    message.token = start.token;
    message.pid = pid;
    message.purpose = start.purpose;
    ipc::set_text(message.unit, ipc::get_text(start.unit));
    return message;
}

/// The state follows from messages on another socket than the question: ask until it is there.
void wait_for_state(FakeRest& rest, const std::string& unit, const std::string& state) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::string last;
    while (std::chrono::steady_clock::now() < deadline) {
        last = status_of(rest, unit)["state"];
        if (last == state) return;
    }
    FAIL(unit << " is " << last << " and not " << state);
}

}  // namespace

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

TEST_CASE("engine: a start that nobody answered is repeated with its token", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kWeb);
    rest.boot();
    const auto first = rest.expect<ipc::Start>(rest.jailer);
    SECTION("by the next engine") {
        rest.kill_engine();
        rest.boot();
    }
    SECTION("to the next jailer") {
        rest.replace_jailer();
    }
    const auto again = rest.run_next_start(::getpid());
    CHECK(again.token == first.token);
    CHECK(std::memcmp(again.digest, first.digest, sizeof first.digest) == 0);
    wait_for_state(rest, "web", "running");
}

TEST_CASE("engine: a start that died at its gate with the jailer is made again, uncounted",
          "[engine]") {
    FakeRest rest;
    rest.write_unit("web", std::string(kWeb) + "[unit]\nstart_limit_burst = 1\n");
    rest.boot();
    const auto first = rest.expect<ipc::Start>(rest.jailer);
    const auto check_made_again = [&] {
        const auto again = rest.run_next_start(::getpid());
        CHECK(again.token > first.token);
        CHECK(again.purpose == ipc::Purpose::kMain);
        wait_for_state(rest, "web", "running");
        CHECK(status_of(rest, "web")["restarts"] == 0);
    };
    SECTION("its end is heard before the jailer's") {
        rest.send_exit(first, 127 << 8);
        CHECK_FALSE(rest.has_acknowledgement());
        rest.replace_jailer();
        check_made_again();
    }
    SECTION("its end is heard after the jailer's") {
        rest.jailer = Fd();
        rest.send_exit(first, 127 << 8);
        CHECK(rest.expect<ipc::ExitAck>(rest.keeper).token == first.token);
        rest.replace_jailer();
        check_made_again();
    }
    SECTION("its end is heard when the next jailer has been asked") {
        rest.replace_jailer();
        CHECK(rest.expect<ipc::Start>(rest.jailer).token == first.token);
        rest.send_exit(first, 127 << 8);
        auto unknown = ipc::make<ipc::Started>();
        unknown.token = first.token;
        ipc::set_text(unknown.unit, "web");
        rest.send(rest.jailer, unknown);
        check_made_again();
    }
    SECTION("control: a program that was executed and ends so has crashed") {
        rest.answer_started(first, ::getpid());
        wait_for_state(rest, "web", "running");
        rest.replace_jailer();
        rest.tell_exit(first, 127 << 8);
        rest.tear_down();
        wait_for_state(rest, "web", "failed");
    }
    SECTION("control: another end than that of a closed gate is the program's own") {
        rest.send_exit(first, 1 << 8);
        rest.replace_jailer();
        rest.tear_down();
        wait_for_state(rest, "web", "failed");
    }
}

TEST_CASE("engine: a process that vanished while no engine looked counts as killed", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kWeb);
    rest.boot();
    const auto start = rest.run_next_start(::getpid());
    wait_for_state(rest, "web", "running");
    rest.kill_engine();
    rest.boot();
    rest.tear_down();
    wait_for_state(rest, "web", "failed");
    (void)start;
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

TEST_CASE("engine: log descriptors and plans come from those who have them", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kOther);
    rest.boot();
    auto client = rest.connect();
    REQUIRE(client.send("Logs", {{"unit", "web"}}));
    auto opened = ipc::make<ipc::LogOpened>();
    opened.serial = rest.expect<ipc::LogOpen>(rest.logger).serial;
    opened.size = 5;
    const auto file = sys::sealed_memfd("log", "hello");
    rest.send(rest.logger, opened, file->get());
    auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->reply.parameters["size"] == 5);
    REQUIRE(answer->fds.size() == 1);
    CHECK(sys::read_memfd(answer->fds[0].get()) == "hello");

    REQUIRE(client.send("Plan", {{"unit", "web"}}));
    auto plan = ipc::make<ipc::PlanReply>();
    plan.serial = rest.expect<ipc::PlanRequest>(rest.jailer).serial;
    plan.ok = 1;
    const auto text = sys::sealed_memfd("plan", R"({"ops":[]})");
    rest.send(rest.jailer, plan, text->get());
    CHECK(client.receive()->reply.parameters["plan"]["ops"] == Json::array());
}

TEST_CASE("engine: a question waits for a jailer or logger that is being restarted", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kOther);
    rest.boot();
    auto client = rest.connect();
    const auto answer_plan = [&] {
        auto plan = ipc::make<ipc::PlanReply>();
        plan.serial = rest.expect<ipc::PlanRequest>(rest.jailer).serial;
        plan.ok = 1;
        const auto text = sys::sealed_memfd("plan", R"({"ops":[]})");
        rest.send(rest.jailer, plan, text->get());
        CHECK(client.receive()->reply.error == "");
    };
    REQUIRE(client.send("Plan", {{"unit", "web"}}));
    SECTION("asked before it died") {
        (void)rest.expect<ipc::PlanRequest>(rest.jailer);
        rest.jailer = Fd();
        rest.replace_jailer();
        answer_plan();
    }
    SECTION("asked while there is none") {
        answer_plan();
        rest.jailer = Fd();
        REQUIRE(client.send("Plan", {{"unit", "web"}}));
        CHECK(rest.connect().call("Version")->reply.error == "");  // others are served meanwhile
        rest.replace_jailer();
        answer_plan();
    }
    SECTION("of the logger") {
        answer_plan();
        REQUIRE(client.send("Logs", {{"unit", "web"}}));
        (void)rest.expect<ipc::LogOpen>(rest.logger);
        rest.logger = Fd();
        rest.replace_logger();
        auto opened = ipc::make<ipc::LogOpened>();
        opened.serial = rest.expect<ipc::LogOpen>(rest.logger).serial;
        const auto file = sys::sealed_memfd("log", "hello");
        rest.send(rest.logger, opened, file->get());
        CHECK(client.receive()->fds.size() == 1);
    }
}

TEST_CASE("engine: a command in a jail waits for the jailer, once it has been asked it does not",
          "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kWeb);
    rest.boot();
    (void)rest.run_next_start(::getpid());
    wait_for_state(rest, "web", "running");
    auto client = rest.connect();
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd ours(ends[0]), theirs(ends[1]);
    rest.jailer = Fd();
    REQUIRE(client.send("Exec", {{"unit", "web"}}, {theirs.get()}));
    CHECK(status_of(rest, "web")["state"] == "running");  // the call before this one is read too
    rest.replace_jailer();
    // What the next jailer is told first is its affair; the command comes with its descriptor.
    const auto exec = rest.expect<ipc::Exec>(rest.jailer);
    CHECK(ipc::get_text(exec.unit) == "web");
    CHECK(rest.packet.fd_count() == 1);
    // Whether this one runs by now nobody knows: it is not run twice.
    rest.jailer = Fd();
    CHECK(client.receive()->reply.parameters["message"] ==
          "the jailer has been restarted; try again");
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

TEST_CASE("engine: why a command was not executed wins over its exit code", "[engine]") {
    FakeRest rest;
    rest.write_unit("web",
                    "[service]\nexec_start = [\"/bin/web\"]\nexec_reload = [\"/no/such\"]\n"
                    "exec_start_pre = [\"/bin/pre\"]\n");
    rest.boot();
    auto client = rest.connect();
    const auto message_of = [](const Result<control::Answer>& answer) {
        REQUIRE(answer);
        return answer->reply.parameters["outcomes"][0]["message"].get<std::string>();
    };
    REQUIRE(client.send("Start", {{"units", {"web"}}}));
    const auto pre = rest.expect<ipc::Start>(rest.jailer);
    REQUIRE(pre.purpose == ipc::Purpose::kStartPre);
    SECTION("before the start") {
        rest.send_exit(pre, 127 << 8);
        rest.answer_failed(pre, "web: /bin/pre: No such file or directory");
        rest.tear_down();
        CHECK(message_of(client.receive()) ==
              "exec_start_pre: /bin/pre: No such file or directory");
    }
    SECTION("at a reload") {
        rest.answer_started(pre, 1234);
        rest.send_exit(pre, 0);
        (void)rest.run_next_start(::getpid());
        CHECK(message_of(client.receive()).empty());
        REQUIRE(client.send("Reload", {{"units", {"web"}}}));
        const auto reload = rest.expect<ipc::Start>(rest.jailer);
        REQUIRE(reload.purpose == ipc::Purpose::kReload);
        rest.send_exit(reload, 127 << 8);
        rest.answer_failed(reload, "web: /no/such: No such file or directory");
        CHECK(message_of(client.receive()) == "exec_reload: /no/such: No such file or directory");
    }
}

TEST_CASE("engine: what was not executed has no last exit", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kWeb);
    rest.boot();
    const auto start = rest.expect<ipc::Start>(rest.jailer);
    SECTION("at its first start") {
        rest.answer_failed(start, "web: /bin/web: No such file or directory");
        rest.tell_exit(start, 127 << 8);
        rest.tear_down();
        wait_for_state(rest, "web", "failed");
        CHECK(status_of(rest, "web")["last_exit"].is_null());
    }
    SECTION("at a later one, which leaves the exit before it") {
        rest.answer_started(start, ::getpid());
        rest.tell_exit(start, 9 << 8);
        rest.tear_down();
        wait_for_state(rest, "web", "failed");
        auto client = rest.connect();
        REQUIRE(client.send("Start", {{"units", {"web"}}}));
        const auto again = rest.expect<ipc::Start>(rest.jailer);
        rest.answer_failed(again, "web: /bin/web: No such file or directory");
        rest.tell_exit(again, 127 << 8);
        rest.tear_down();
        CHECK(client.receive()->reply.parameters["outcomes"][0]["result"] == "failed");
        CHECK(status_of(rest, "web")["last_exit"] == Json({{"kind", "exited"}, {"code", 9}}));
    }
}

TEST_CASE("engine: a command in a jail ends with its client", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", kWeb);
    rest.boot();
    const auto start = rest.run_next_start(::getpid());
    wait_for_state(rest, "web", "running");
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd mine(ends[0]), theirs(ends[1]);
    std::optional<control::Client> client = rest.connect();
    REQUIRE(client->send("Exec", {{"unit", "web"}}, {theirs.get()}));
    const auto exec = rest.expect<ipc::Exec>(rest.jailer);
    CHECK(exec.main_token == start.token);
    CHECK(exec.token > start.token);
    CHECK(rest.packet.fd_count() == 1);
    ipc::Start command = start;
    command.token = exec.token;
    command.purpose = ipc::Purpose::kClient;
    SECTION("its exit is the reply") {
        rest.answer_started(command, 1234);
        rest.tell_exit(command, 4 << 8);
        CHECK(client->receive()->reply.parameters["exit"]["code"] == 4);
    }
    SECTION("an exit heard before the start waits for it") {
        rest.send_exit(command, 4 << 8);
        wait_for_state(rest, "web", "running");
        CHECK_FALSE(rest.has_acknowledgement());
        rest.answer_started(command, 1234);
        CHECK(client->receive()->reply.parameters["exit"]["code"] == 4);
        CHECK(rest.expect<ipc::ExitAck>(rest.keeper).token == command.token);
    }
    SECTION("why it could not be executed is the reply, though its exit is heard first") {
        rest.send_exit(command, 127 << 8);
        rest.answer_failed(command, "web: /no/such: No such file or directory");
        const auto answer = client->receive();
        CHECK(answer->reply.error == "io.jailsvc.Control.Failed");
        CHECK(answer->reply.parameters["message"] == "web: /no/such: No such file or directory");
        CHECK(rest.expect<ipc::ExitAck>(rest.keeper).token == command.token);
    }
    SECTION("a jailer that dies leaves its client with what is known") {
        SECTION("its exit") {
            rest.send_exit(command, 127 << 8);
            wait_for_state(rest, "web", "running");
            rest.jailer = Fd();
            CHECK(client->receive()->reply.parameters["exit"]["code"] == 127);
        }
        SECTION("nothing, and ends what may have begun") {
            rest.replace_jailer();
            CHECK(client->receive()->reply.error == "io.jailsvc.Control.Failed");
            CHECK(rest.expect<ipc::Signal>(rest.jailer).token == command.token);
        }
    }
    SECTION("its client hangs up") {
        client.reset();
        CHECK(rest.expect<ipc::Signal>(rest.jailer).signo == SIGHUP);
        CHECK(rest.expect<ipc::Signal>(rest.jailer).signo == SIGKILL);
    }
}
