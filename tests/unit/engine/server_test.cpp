#include "engine/server.hpp"

#include <ev.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
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
              [this](const control::Call&, std::vector<Fd>, const Caller& caller,
                     const ClientRef& client) {
                  callers_.push_back(caller.uid);
                  ++calls_;
                  if (holds_) return held_.push_back(client);
                  answer(client, {.parameters = {{"text", std::string(length_, 'x')}}});
              },
              limits) {
        char name[] = "/tmp/jailsvc-server-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        folder_ = name;
        REQUIRE(::chmod(name, 0711) == 0);  // where cases come as other users
        Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        const sockaddr_un address = this->address();
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                0);
        REQUIRE(::chmod(address.sun_path, 0666) == 0);
        REQUIRE(::listen(socket.get(), 128) == 0);
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
    /// The kernel tells the effective uid at connect(2), unix(7).
    Fd connect_as(uid_t user) {
        REQUIRE(::seteuid(user) == 0);
        Fd socket = connect();
        REQUIRE(::seteuid(0) == 0);
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
    /// From now on calls are taken and not answered.
    void hold_answers() { holds_ = true; }
    void answer_held() {
        for (const ClientRef& client : held_) answer(client, {});
        held_.clear();
    }
    [[nodiscard]] std::shared_ptr<Client> held() const { return held_.back().lock(); }
    [[nodiscard]] int calls() const { return calls_; }
    /// From now on answers are short.
    void answer_briefly() { length_ = 1; }
    /// Whose calls were answered, in their order.
    [[nodiscard]] const std::vector<uid_t>& callers() const { return callers_; }

private:
    [[nodiscard]] sockaddr_un address() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (folder_ + "/control").copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }
    std::string folder_;
    bool holds_ = false;
    std::vector<ClientRef> held_;
    int calls_ = 0;
    std::size_t length_ = kLong;
    std::vector<uid_t> callers_;
    std::unique_ptr<struct ev_loop, decltype(&ev_loop_destroy)> loop_;
    Server server_;
};

void ask(const Fd& client, bool more = false) {
    const std::string call =
        control::encode(control::Call{.method = "io.jailsvc.Control.Version", .more = more});
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
    World world({.patience = {.unread = 0.5, .idle = 600.}});
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

TEST_CASE("server: of a stream only so much waits to be read", "[engine]") {
    World world({.patience = {.unread = 30., .idle = 600.}});
    world.hold_answers();
    const Fd reader = world.connect();
    ask(reader, true);
    REQUIRE(world.await([&] { return world.calls() == 1; }));
    const control::Reply event{.parameters = {{"text", std::string(1000, 'x')}}, .continues = true};
    std::size_t told = 0;
    while (world.held()->tell(event) && told < 10'000) ++told;
    CHECK(told > 500);
    CHECK(told < 2000);
    CHECK_FALSE(world.held()->tell(event));
    std::string got;
    const auto replies = [&] { return std::count(got.begin(), got.end(), '\0'); };
    REQUIRE(world.await([&] {
        CHECK(drain(reader, got));
        return replies() == static_cast<std::ptrdiff_t>(told);
    }));
    CHECK(world.held()->tell(event));  // there is room again
    world.answer_held();
    REQUIRE(world.await([&] {
        CHECK(drain(reader, got));
        return replies() == static_cast<std::ptrdiff_t>(told) + 2;
    }));
}

TEST_CASE("server: who asked for one reply is told no more", "[engine]") {
    World world({.patience = {.unread = 30., .idle = 600.}});
    world.hold_answers();
    const Fd reader = world.connect();
    ask(reader);
    REQUIRE(world.await([&] { return world.calls() == 1; }));
    CHECK_FALSE(world.held()->tell({.parameters = {}, .continues = true}));
}

TEST_CASE("server: where all are busy one more is told so and closed", "[engine]") {
    World world({.total = 3, .patience = {.unread = 30., .idle = 600.}});
    world.hold_answers();
    std::vector<Fd> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(world.connect());
        ask(clients.back());
    }
    REQUIRE(world.await([&] { return world.calls() == 3; }));
    std::string said;
    {
        const Fd late = world.connect();
        REQUIRE(world.await([&] { return !drain(late, said); }));
    }
    CHECK(said.find("LimitReached") != std::string::npos);
    CHECK(world.clients() == 3);  // who waits for an answer keeps its place, however long
    // The control: a place that is given up can be taken.
    clients.pop_back();
    world.answer_held();
    REQUIRE(world.await([&] { return world.clients() == 2; }));
    clients.push_back(world.connect());
    REQUIRE(world.await([&] { return world.clients() == 3; }));
}

TEST_CASE("server: one more client takes the place that was idle for longest", "[engine]") {
    World world({.total = 3, .patience = {.unread = 30., .idle = 600.}});
    std::vector<Fd> clients;
    for (std::size_t i = 1; i <= 3; ++i) {
        clients.push_back(world.connect());
        REQUIRE(world.await([&] { return world.clients() == i; }));
    }
    // The first asks something: by then the second is the idlest.
    std::string got;
    ask(clients[0]);
    REQUIRE(world.await([&] {
        CHECK(drain(clients[0], got));
        return got.size() > kLong;
    }));
    const Fd late = world.connect();
    std::string said;
    REQUIRE(world.await([&] { return !drain(clients[1], said); }));
    CHECK(said.empty());
    CHECK(drain(clients[0], said));
    CHECK(drain(clients[2], said));
    ask(late);
    REQUIRE(world.await([&] {
        CHECK(drain(late, said));
        return said.size() > kLong;
    }));
}

TEST_CASE("server: who asks nothing for too long is cut off, who waits is not", "[engine]") {
    World world({.patience = {.unread = 30., .idle = 0.1}});
    const Fd idle = world.connect();
    const Fd half = world.connect();
    REQUIRE(::write(half.get(), "{\"meth", 6) == 6);  // half a call is none
    world.hold_answers();
    const Fd waiting = world.connect();
    ask(waiting);
    std::string said;
    REQUIRE(world.await([&] { return world.clients() == 1; }));
    CHECK_FALSE(drain(idle, said));
    CHECK_FALSE(drain(half, said));
    CHECK(drain(waiting, said));
    CHECK(world.calls() == 1);
}

TEST_CASE("server: who floods it keeps no other user waiting", "[engine]") {
    if (::geteuid() != 0) {
        WARN("skipped: only root can come as several users");
        return;
    }
    constexpr uid_t kFlooder = 65533;
    const uid_t other = GENERATE(uid_t{0}, uid_t{65534});
    World world({});
    world.answer_briefly();
    std::vector<Fd> flood;
    for (int i = 0; i < 64; ++i) {
        flood.push_back(world.connect_as(kFlooder));
        for (int call = 0; call < 100; ++call) ask(flood.back());
    }
    REQUIRE(world.await([&] { return world.calls() >= 64; }));
    const Fd client = world.connect_as(other);
    ask(client);
    const std::size_t before = world.callers().size();
    const auto answered = [&] {
        const auto& all = world.callers();
        return std::find(all.begin(), all.end(), other);
    };
    REQUIRE(world.await([&] { return answered() != world.callers().end(); }));
    // A few turns: to be accepted, to be read, to be answered; of the flooder's 16 calls each.
    CHECK(answered() - world.callers().begin() <= static_cast<std::ptrdiff_t>(before) + 6 * 16);
    // Control: the flooder is answered too, each of its calls.
    REQUIRE(world.await([&] { return world.calls() == 6401; }));
}

TEST_CASE("server: few descriptors mean few clients, with root's share among them", "[engine]") {
    CHECK(limits_within(20'000).total == ServerLimits().total);
    const ServerLimits few = limits_within(1024);
    CHECK(few.total == 512);
    CHECK(few.not_root == 384);
    CHECK(few.per_user == 64);
    CHECK(limits_within(64).per_user == 12);
}
