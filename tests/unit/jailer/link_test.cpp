#include "jailer/loop/link.hpp"

#include <sys/socket.h>

#include <catch2/catch.hpp>

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

struct Loop {
    ~Loop() { ev_loop_destroy(loop); }
    struct ev_loop* loop = ev_loop_new(EVFLAG_AUTO);
};

struct Ends {
    Ends() {
        int fds[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
        ours = Fd(fds[0]);
        peer = Fd(fds[1]);
    }
    Fd ours;
    Fd peer;
};

ipc::ExitAck numbered(ipc::Token token) {
    auto message = ipc::make<ipc::ExitAck>();
    message.token = token;
    return message;
}

}  // namespace

TEST_CASE("link: what the kernel does not take waits, in order, with its descriptors", "[jailer]") {
    const Loop loop;
    Ends ends;
    Link link(loop.loop, "peer", {.packet = [](ipc::Packet&) {}, .gone = [] {}});
    link.attach(std::move(ends.ours));
    constexpr ipc::Token kMany = 5000;
    for (ipc::Token token = 1; token <= kMany; ++token) link.send(numbered(token), {0});
    bool drained = false;
    link.when_drained([&] { drained = true; });
    CHECK_FALSE(drained);
    ipc::Token next = 1;
    for (int idle = 0; next <= kMany && idle < 100; ++idle) {
        ipc::Packet packet;
        while (ipc::receive(ends.peer.get(), packet) == 0) {
            REQUIRE(packet.as<ipc::ExitAck>()->token == next);
            REQUIRE(packet.fd_count() == 1);
            ++next;
            idle = 0;
        }
        ev_run(loop.loop, EVRUN_NOWAIT);
    }
    CHECK(next == kMany + 1);
    CHECK(drained);
}

TEST_CASE("link: a peer that asks without listening is not read any further", "[jailer]") {
    const Loop loop;
    Ends ends;
    int read = 0;
    Link* answering = nullptr;
    Link link(loop.loop, "peer",
              {.packet =
                   [&](ipc::Packet&) {
                       ++read;
                       for (int i = 0; i < 100; ++i) answering->send(numbered(7));
                   },
               .gone = [] {}});
    answering = &link;
    link.attach(std::move(ends.ours));
    link.resume();
    int sent = 0;
    for (int round = 0; round < 200; ++round) {
        while (ipc::send(ends.peer.get(), numbered(1)) == 0) ++sent;
        ev_run(loop.loop, EVRUN_NOWAIT);
    }
    CHECK(read > 0);
    CHECK(read < 50);
    CHECK(sent > read);
}

TEST_CASE("link: nothing is read before it is resumed, and the end is told once", "[jailer]") {
    const Loop loop;
    Ends ends;
    int read = 0;
    int gone = 0;
    Link link(loop.loop, "peer",
              {.packet = [&](ipc::Packet&) { ++read; }, .gone = [&] { ++gone; }});
    link.attach(std::move(ends.ours));
    REQUIRE(ipc::send(ends.peer.get(), numbered(1)) == 0);
    ends.peer = Fd();
    ev_run(loop.loop, EVRUN_NOWAIT);
    CHECK(read == 0);
    link.resume();
    for (int i = 0; i < 4; ++i) ev_run(loop.loop, EVRUN_NOWAIT);
    CHECK(read == 1);
    CHECK(gone == 1);
    CHECK_FALSE(link.attached());
}
