#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "fake_rest.hpp"

using namespace jailsvc;
using control::Json;

namespace {

/// Sends bytes until they are through or the engine has closed the connection.
void send_bytes(const control::Client& client, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = control::send_some(client.socket(), bytes, {}, true);
        if (!sent) return;
        bytes.remove_prefix(*sent);
    }
}

bool is_closed(control::Client& client) {
    const auto chunk = control::receive_some(client.socket(), 64, true);
    return chunk ? chunk->bytes.empty() : chunk.error().code == ECONNRESET;
}

bool answers(FakeRest& rest) {
    const auto answer = rest.connect().call("Version");
    return answer && answer->reply.error.empty();
}

}  // namespace

TEST_CASE("control server: hostile clients are cut and others are served", "[engine][E35][E36]") {
    FakeRest rest;
    rest.boot();
    REQUIRE(answers(rest));
    auto client = rest.connect();
    SECTION("garbage") {
        send_bytes(client, std::string("\x01\xff garbage\0", 11));
    }
    SECTION("a frame of 10 MB") {
        send_bytes(client, std::string(10U << 20, ' '));
    }
    SECTION("a depth bomb") {
        send_bytes(client, "{\"method\":" + std::string(100'000, '[') + std::string(1, '\0'));
    }
    CHECK(is_closed(client));
    CHECK(answers(rest));
}

TEST_CASE("control server: calls sent together are answered in their order", "[engine]") {
    FakeRest rest;
    rest.boot();
    auto client = rest.connect();
    for (int i = 0; i < 200; ++i) {
        REQUIRE(client.send(i % 2 == 0 ? "Version" : "org.varlink.service.GetInfo", {}));
    }
    for (int i = 0; i < 200; ++i) {
        const auto answer = client.receive();
        REQUIRE(answer);
        CHECK(answer->reply.parameters.contains(i % 2 == 0 ? "processes" : "vendor"));
    }
}

TEST_CASE("control server: a thousand idle clients leave room for one more", "[engine]") {
    if (::geteuid() != 0) {
        WARN("skipped: only root may have a thousand connections");
        return;
    }
    FakeRest rest;
    rest.boot();
    std::vector<control::Client> idle;
    for (int i = 0; i < 1000; ++i) idle.push_back(rest.connect());
    CHECK(answers(rest));
}

TEST_CASE("control server: errors name what is wrong", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", "[service]\nexec_start = [\"/bin/web\"]\n");
    rest.boot();
    auto client = rest.connect();
    const auto error = [&](const char* method, Json parameters) {
        const auto answer = client.call(method, parameters);
        REQUIRE(answer);
        return answer->reply.error + " " + answer->reply.parameters.dump();
    };
    CHECK(error("Start", {{"units", {"wbe"}}}) ==
          R"(io.jailsvc.Control.NoSuchUnit {"nearest":"web","unit":"wbe"})");
    CHECK(error("Start", {{"units", Json::array()}}) ==
          R"(org.varlink.service.InvalidParameter {"parameter":"units"})");
    CHECK(error("Start", {{"units", {"web"}}, {"noblock", true}}) ==
          R"(org.varlink.service.InvalidParameter {"parameter":"noblock"})");
    CHECK(error("Kill", {{"units", {"web"}}, {"signal", 99}}) ==
          R"(org.varlink.service.InvalidParameter {"parameter":"signal"})");
    CHECK(error("Exec", {{"unit", "web"}}).starts_with("io.jailsvc.Control.Failed"));
    CHECK(error("Nope", {}).starts_with("org.varlink.service.MethodNotFound"));
    CHECK(error("a.b.C", {}).starts_with("org.varlink.service.InterfaceNotFound"));
}

TEST_CASE("control server: of several units those that are none are named", "[engine]") {
    FakeRest rest;
    rest.write_unit("web", "[service]\nexec_start = [\"/bin/web\"]\n");
    rest.write_unit("worker@", "[service]\nexec_start = [\"/bin/worker\", \"%i\"]\n");
    rest.write_unit("bad", "[service]\nexec_start = 1\n");
    rest.boot();
    auto client = rest.connect();
    const auto outcomes = [&](const char* method, Json parameters) {
        const auto answer = client.call(method, parameters);
        REQUIRE(answer);
        CHECK(answer->reply.error == "");
        std::string text;
        for (const Json& one : answer->reply.parameters["outcomes"]) {
            text += one["result"].get<std::string>() + " ";
        }
        return text;
    };
    const Json units{"wbe", "web", "worker@", "bad"};
    CHECK(outcomes("Stop", {{"units", units}}) == "unknown done unknown refused ");
    CHECK(outcomes("ResetFailed", {{"units", units}}) == "unknown done unknown refused ");
    CHECK(outcomes("Kill", {{"units", units}, {"signal", 15}}) ==
          "unknown refused unknown refused ");
    CHECK(outcomes("Start", {{"units", units}, {"no_block", true}}) ==
          "unknown queued unknown refused ");
    CHECK(ipc::get_text(rest.expect<ipc::Start>(rest.jailer).unit) == "web");
}

TEST_CASE("control server: templates are listed, and told apart from units", "[engine]") {
    FakeRest rest;
    const std::string service = "[service]\nexec_start = [\"/bin/worker\", \"%i\"]\n";
    rest.write_unit("worker@", "[unit]\ndescription = \"Worker %i\"\n" + service);
    rest.write_unit("bad@", service + "restart = \"allways\"\n");
    rest.boot();
    auto client = rest.connect();
    const auto call = [&](const char* method, Json parameters) {
        auto answer = client.call(method, parameters);
        REQUIRE(answer);
        return answer->reply;
    };
    CHECK(call("Start", {{"units", {"worker@"}}}).error == "io.jailsvc.Control.IsTemplate");
    CHECK(call("Status", {{"units", {"worker@"}}}).error == "io.jailsvc.Control.IsTemplate");
    CHECK(call("Start", {{"units", {"bad@"}}}).error == "io.jailsvc.Control.InvalidUnit");
    CHECK(call("Start", {{"units", {"worke@"}}}).parameters["nearest"] == "worker@");
    CHECK(call("Status", {{"units", {"worker@1"}}}).error == "");

    const Json all = call("Status", {{"units", Json::array()}}).parameters;
    CHECK(all["units"].size() == 1);
    REQUIRE(all["templates"].size() == 2);
    CHECK(all["templates"][0]["name"] == "bad@");
    CHECK(all["templates"][0]["errors"].size() == 1);
    CHECK(all["templates"][1]["description"] == "Worker %i");
    CHECK(all["templates"][1]["instances"] == 1);
    CHECK(call("DaemonReload", Json::object()).parameters["errors"].size() == 1);
}

TEST_CASE("control server: a stranger may ask and not act", "[engine][E35]") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root to become somebody else");
        return;
    }
    FakeRest rest;
    rest.write_unit("web", "[service]\nexec_start = [\"/bin/web\"]\n");
    rest.boot();
    REQUIRE(answers(rest));
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(10);
        auto client = control::Client::connect(rest.control_path());
        if (!client) ::_exit(11);
        const auto status = client->call("Status", {{"units", {"web"}}});
        if (!status || !status->reply.error.empty()) ::_exit(12);
        for (const char* method : {"Start", "Stop", "Kill", "DaemonReload", "Shutdown", "Exec"}) {
            const auto answer = client->call(method);
            if (!answer) ::_exit(13);
            if (answer->reply.error != "io.jailsvc.Control.PermissionDenied") ::_exit(14);
        }
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 0);
    // The control: who may is not refused.
    CHECK(rest.connect().call("DaemonReload")->reply.error.empty());
}

TEST_CASE("control server: one user cannot take every place", "[engine]") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root to become somebody else");
        return;
    }
    FakeRest rest;
    rest.boot();
    auto idle = rest.connect();
    REQUIRE(idle.call("Version"));
    int held[2];
    REQUIRE(::pipe2(held, O_CLOEXEC) == 0);
    const Fd reader(held[0]);
    Fd writer(held[1]);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(10);
        std::vector<control::Client> clients;
        for (int i = 0; i < 200; ++i) {
            auto client = control::Client::connect(rest.control_path());
            if (!client) ::_exit(11);
            const auto answer = client->call("Version");
            if (!answer || !answer->reply.error.empty()) ::_exit(12);
            clients.push_back(std::move(*client));
        }
        // Of all these the newest 64 stay.
        for (std::size_t i = 0; i < clients.size(); ++i) {
            const auto answer = clients[i].call("Version");
            if (answer.has_value() != (i >= 136)) ::_exit(13);
        }
        (void)!::write(writer.get(), "x", 1);
        ::pause();
    }
    writer = Fd();
    char byte = 0;
    CHECK(::read(reader.get(), &byte, 1) == 1);
    CHECK(answers(rest));  // root, while all of them are there
    CHECK(idle.call("Version"));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
}
