// What clients ask and the jailer or the logger answers.

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "base/sys.hpp"
#include "engine_world.hpp"

using namespace jailsvc;
using control::Json;

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
