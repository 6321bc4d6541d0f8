#include <sys/socket.h>
#include <catch2/catch.hpp>

#include "jailer/loop/connections.hpp"
#include "jailer/sockets/trigger_limit.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

struct Loop {
    struct ev_loop* loop = ev_loop_new(EVFLAG_AUTO);
    Loop() = default;
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop() { ev_loop_destroy(loop); }
};

/// One end of a connection; the other in `other`.
Fd connection(Fd& other) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    other = Fd(ends[1]);
    return Fd(ends[0]);
}

Peer peer(const std::string& source) {
    return {.source = source, .address = source, .port = "4711"};
}

bool is_open(const Fd& other) {
    char byte = 0;
    return ::recv(other.get(), &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN;
}

}  // namespace

TEST_CASE("connections: instances are counted by unit and source", "[jailer][sockets]") {
    const Loop loop;
    Connections connections(loop.loop);
    Fd one, two, three;
    const std::string first = connections.add("web", connection(one), peer("::1"), false);
    (void)connections.add("web", connection(two), peer("127.0.0.1"), false);
    (void)connections.add("web2", connection(three), peer("::1"), false);
    CHECK(first.starts_with("web@:"));
    CHECK(first.ends_with(":::1"));
    CHECK(listener_of(first) == "web");
    CHECK(connections.count("web") == 2);
    CHECK(connections.count("web", "::1") == 1);
    CHECK(connections.count("web", "1") == 0);
    CHECK(connections.count("we") == 0);
    connections.adopt("web@:7:::1");  // from before us
    CHECK(connections.count("web", "::1") == 2);
    connections.drop(first);
    CHECK(connections.count("web", "::1") == 1);
    CHECK_FALSE(is_open(one));
    CHECK(is_open(two));
}

TEST_CASE("connections: each is given to its instance alone", "[jailer][sockets]") {
    const Loop loop;
    Connections connections(loop.loop);
    Fd one, two;
    const std::string plain = connections.add("web", connection(one), peer("192.0.2.1"), false);
    const std::string inetd = connections.add("web", connection(two), peer("192.0.2.1"), true);
    Program program;
    REQUIRE(connections.give(plain, program));
    CHECK(program.passed.size() == 1);
    CHECK(program.environment == std::vector<std::string>{"REMOTE_ADDR=192.0.2.1",
                                                          "REMOTE_PORT=4711", "LISTEN_FDS=1",
                                                          "LISTEN_FDNAMES=connection"});
    Program other;
    REQUIRE(connections.give(inetd, other));
    CHECK(other.passed.empty());
    CHECK(other.stdin_fd >= 0);
    CHECK(other.stdin_fd == other.stdout_fd);
    CHECK_FALSE(connections.give("web@:1:192.0.2.1", other));
    connections.given(plain);
    CHECK_FALSE(connections.give(plain, program));  // it has it
    CHECK(connections.count("web") == 2);
    CHECK(connections.add(std::string(120, 'x'), connection(one), peer("::1"), false).empty());
}

TEST_CASE("trigger limit: so many within the interval, then no more", "[jailer][sockets]") {
    config::SocketTable table;
    table.trigger_limit_burst = 2;
    table.trigger_limit_interval = std::chrono::seconds(1);
    TriggerLimit limit;
    const std::uint64_t now = 5'000'000'000;
    CHECK(limit.allows(table, now));
    CHECK(limit.allows(table, now + 1));
    CHECK_FALSE(limit.allows(table, now + 2));
    CHECK(limit.allows(table, now + 1'000'000'000));
    table.trigger_limit_interval = {};
    for (int i = 0; i < 10; ++i) CHECK(limit.allows(table, now));
    table.trigger_limit_burst = 0;
    CHECK(TriggerLimit::burst(table) == 20);
    table.accept = true;
    CHECK(TriggerLimit::burst(table) == 200);
}
