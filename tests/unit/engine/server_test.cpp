#include "engine/server.hpp"

#include <ev.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/varlink.hpp"

using namespace jailsvc;
using namespace jailsvc::engine;

namespace {

constexpr std::size_t kLong = 1U << 20;  ///< more than a socket's buffer holds [bytes]

/// A server on a loop of its own; every call is answered with kLong bytes.
class World {
public:
    explicit World(ServerLimits limits)
        : loop_(ev_loop_new(EVFLAG_AUTO), ev_loop_destroy),
          server_(
              loop_.get(), Roles(::geteuid(), std::nullopt),
              [](const control::Call&, std::vector<Fd>, const Caller&, const ClientRef& client) {
                  answer(client, {.parameters = {{"text", std::string(kLong, 'x')}}});
              },
              limits) {
        char name[] = "/tmp/jailsvc-server-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        folder_ = name;
        Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        const sockaddr_un address = this->address();
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                0);
        REQUIRE(::listen(socket.get(), 16) == 0);
        server_.listen(std::move(socket));
    }
    ~World() {
        ::unlink((folder_ + "/control").c_str());
        ::rmdir(folder_.c_str());
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    Fd connect() {
        Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        const sockaddr_un address = this->address();
        REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof address) == 0);
        return socket;
    }
    /// Turns the loop until the condition holds, for ten seconds at most.
    bool await(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        TimerWatch tick(loop_.get(), [] {});
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            tick.start(0.002);
            ev_run(loop_.get(), EVRUN_ONCE);
        }
        return true;
    }
    [[nodiscard]] std::size_t clients() const { return server_.clients(); }

private:
    [[nodiscard]] sockaddr_un address() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (folder_ + "/control").copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }
    std::string folder_;
    std::unique_ptr<struct ev_loop, decltype(&ev_loop_destroy)> loop_;
    Server server_;
};

void ask(const Fd& client) {
    const std::string call = control::encode(control::Call{.method = "io.jailsvc.Control.Version"});
    REQUIRE(::write(client.get(), call.data(), call.size()) == static_cast<ssize_t>(call.size()));
}

/// Reads what is there; false at the end of the connection.
bool drain(const Fd& client, std::string& into) {
    char block[1 << 16];
    for (;;) {
        const ssize_t count = ::read(client.get(), block, sizeof block);
        if (count <= 0) return count < 0 && errno == EAGAIN;
        into.append(block, static_cast<std::size_t>(count));
    }
}

}  // namespace

TEST_CASE("server: a client that does not read its reply is cut off, one that does is not",
          "[engine]") {
    World world({.patience = 0.5});
    const Fd slow = world.connect();
    const Fd reader = world.connect();
    ask(slow);
    ask(reader);
    std::string got;
    REQUIRE(world.await([&] {
        CHECK(drain(reader, got));
        return world.clients() == 1;
    }));
    REQUIRE(world.await([&] {
        CHECK(drain(reader, got));
        return got.size() > kLong;
    }));
    std::string rest;
    CHECK_FALSE(drain(slow, rest));
    CHECK(rest.size() < kLong);
    CHECK(world.clients() == 1);  // idle, however long
}

TEST_CASE("server: connections beyond the limit are told so and closed", "[engine]") {
    World world({.total = 3});
    std::vector<Fd> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(world.connect());
    REQUIRE(world.await([&] { return world.clients() == 3; }));
    std::string said;
    {
        const Fd late = world.connect();
        REQUIRE(world.await([&] { return !drain(late, said); }));
    }
    CHECK(said.find("LimitReached") != std::string::npos);
    // The control: a place that is given up can be taken.
    clients.pop_back();
    REQUIRE(world.await([&] { return world.clients() == 2; }));
    clients.push_back(world.connect());
    REQUIRE(world.await([&] { return world.clients() == 3; }));
}
