#include "control/client.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <thread>

using namespace jailsvc;
using namespace jailsvc::control;

namespace {

struct Pair {
    Fd client, server;
    Pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        client = Fd(ends[0]);
        server = Fd(ends[1]);
        const timeval limit{.tv_sec = 10, .tv_usec = 0};  // a test that hangs fails instead
        for (const int end : ends) {
            REQUIRE(::setsockopt(end, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
        }
    }
};

}  // namespace

TEST_CASE("control: the client sends a qualified call and takes the reply's descriptors",
          "[control]") {
    Pair pair;
    const std::string reply = encode(Reply{.parameters = {{"size", 7}}});
    const Fd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(send_some(pair.server.get(), reply, {file.get()}, true));
    Client client(std::move(pair.client));
    auto answer = client.call("Logs", {{"unit", "web"}});
    REQUIRE(answer);
    CHECK(answer->reply.parameters["size"] == 7);
    CHECK(answer->fds.size() == 1);

    const auto sent = receive_some(pair.server.get(), 4096, true);
    const auto call = decode_call(std::string_view(sent->bytes).substr(0, sent->bytes.size() - 1));
    REQUIRE(call);
    CHECK(call->method == "io.jailsvc.Control.Logs");
    CHECK(call->parameters["unit"] == "web");
}

TEST_CASE("control: a call larger than the socket's buffer arrives whole", "[control]") {
    Pair pair;
    std::string received;
    std::thread server([&] {
        while (received.find('\0') == std::string::npos) {
            auto chunk = receive_some(pair.server.get(), 65536, true);
            if (!chunk || chunk->bytes.empty()) return;
            received += chunk->bytes;
        }
        (void)send_some(pair.server.get(), encode(Reply{}), {}, true);
    });
    Client client(std::move(pair.client));
    const auto answer = client.call("Start", {{"units", {std::string(900'000, 'u')}}});
    server.join();
    CHECK(answer);
    CHECK(received.size() > 900'000);
}

TEST_CASE("control: several replies reach the callback until the last", "[control]") {
    Pair pair;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(send_some(pair.server.get(),
                          encode(Reply{.parameters = {{"n", i}}, .continues = i < 2}), {}, true));
    }
    Client client(std::move(pair.client));
    std::vector<int> seen;
    REQUIRE(client.call_more("Watch", Json::object(), [&](Answer answer) {
        seen.push_back(answer.reply.parameters["n"].get<int>());
        return true;
    }));
    CHECK(seen == std::vector{0, 1, 2});
}

TEST_CASE("control: a supervisor that goes away or talks garbage is an error", "[control]") {
    Pair pair;
    SECTION("gone") {
        pair.server = Fd();
        Client client(std::move(pair.client));
        CHECK(client.call("Version").error().code == EPIPE);
    }
    SECTION("garbage") {
        REQUIRE(send_some(pair.server.get(), std::string("nonsense\0", 9), {}, true));
        Client client(std::move(pair.client));
        CHECK(client.call("Version").error().message == "the supervisor's reply: not JSON");
    }
    SECTION("nobody listens") {
        CHECK(Client::connect("/nonexistent/control").error().code == ENOENT);
        CHECK(Client::connect(std::string(200, 'x')).error().code == ENAMETOOLONG);
    }
}
