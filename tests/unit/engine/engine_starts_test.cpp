// Starts that go wrong on the way: answers that never come, processes that nobody saw end.

#include <unistd.h>

#include <catch2/catch.hpp>

#include "engine_world.hpp"

using namespace jailsvc;
using control::Json;

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
