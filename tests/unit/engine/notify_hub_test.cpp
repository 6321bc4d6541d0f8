#include "engine/notify_hub.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "engine/notify_message.hpp"
#include "engine/timers.hpp"

using namespace jailsvc;
using namespace jailsvc::engine;

namespace {

struct EndLoop {
    void operator()(struct ev_loop* loop) const { ev_loop_destroy(loop); }
};

/// A notify socket's two ends, and what came out of it.
struct World {
    std::unique_ptr<struct ev_loop, EndLoop> loop{ev_loop_new(0)};
    std::vector<NotifyDatagram> heard;
    int newlines = 0;
    NotifyHub hub{loop.get(),
                  {.datagram = [this](const std::string&, NotifyDatagram datagram,
                                      bool) { heard.push_back(std::move(datagram)); },
                   .newline = [this](const std::string&) { ++newlines; }}};

    Fd socket() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
        const int on = 1;
        REQUIRE(::setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
        hub.add("web", ipc::NotifyKind::kPrivate, Fd(ends[0]));
        return Fd(ends[1]);
    }
    void turn() { ev_run(loop.get(), EVRUN_NOWAIT); }
};

void send(const Fd& socket, const std::string& text, int passed = -1) {
    iovec part{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    if (passed >= 0) {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        cmsghdr* item = CMSG_FIRSTHDR(&header);
        *item = {
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        std::copy_n(reinterpret_cast<const char*>(&passed), sizeof passed,
                    reinterpret_cast<char*>(CMSG_DATA(item)));
    }
    REQUIRE(::sendmsg(socket.get(), &header, MSG_DONTWAIT) == static_cast<ssize_t>(text.size()));
}

}  // namespace

TEST_CASE("notify: nothing is read before the records are there", "[engine]") {
    World world;
    const Fd client = world.socket();
    send(client, "READY=1");
    world.turn();
    CHECK(world.heard.empty());
    world.hub.begin();
    world.turn();
    REQUIRE(world.heard.size() == 1);
    CHECK(world.heard[0].text == "READY=1");
    CHECK(world.heard[0].pid == ::getpid());
}

TEST_CASE("notify: the sender is known when it has ended", "[engine]") {
    World world;
    world.hub.begin();
    const Fd client = world.socket();
    const pid_t child = ::fork();
    if (child == 0) ::_exit(::send(client.get(), "STATUS=last", 11, 0) == 11 ? 0 : 1);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    world.hub.drain("web");
    REQUIRE(world.heard.size() == 1);
    CHECK(world.heard[0].pid == child);
}

TEST_CASE("notify: a cut message is known for one, and descriptors are closed", "[engine]") {
    World world;
    world.hub.begin();
    const Fd client = world.socket();
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd reader(ends[0]);
    {
        const Fd writer(ends[1]);
        send(client, std::string(kMaxNotify + 2, 'x'), writer.get());
    }
    send(client, std::string(kMaxNotify, 'x'));
    world.turn();
    REQUIRE(world.heard.size() == 2);
    CHECK_FALSE(world.heard[0].whole);
    CHECK(world.heard[1].whole);
    CHECK(world.heard[0].fds.size() == 1);
    pollfd end{.fd = reader.get(), .events = 0, .revents = 0};
    CHECK(::poll(&end, 1, 0) == 0);  // control: it is held
    world.heard.clear();
    CHECK(::poll(&end, 1, 1000) == 1);
}

TEST_CASE("notify: who floods is heard in turns and then made to wait", "[engine]") {
    World world;
    world.hub.begin();
    const Fd client = world.socket();
    std::size_t sent = 0;
    std::size_t most = 0;
    for (int turn = 0; turn < 400; ++turn) {
        while (::send(client.get(), "STATUS=x", 8, MSG_DONTWAIT) == 8) ++sent;
        const std::size_t before = world.heard.size();
        world.turn();
        most = std::max(most, world.heard.size() - before);
    }
    CHECK(most <= 16);
    CHECK(world.heard.size() >= 900);   // a burst passes
    CHECK(world.heard.size() <= 2000);  // what 400 turns could have read is thrice that
    CHECK(sent <= world.heard.size() + 1100);
}

TEST_CASE("notify: what was said in time counts, however late it is read", "[engine]") {
    World world;
    world.hub.begin();
    const Fd client = world.socket();
    int elapsed = 0;
    LoopTimers timers(world.loop.get(),
                      {.hear =
                           [&](const std::string& unit) {
                               world.hub.hear(unit);
                               if (world.heard.empty()) return;
                               world.heard.clear();
                               timers.arm(unit, service::TimerKind::kWatchdog, config::Duration(0));
                           },
                       .elapsed = [&](std::string_view, service::TimerKind) { ++elapsed; }});
    timers.arm("web", service::TimerKind::kWatchdog, config::Duration(0));
    send(client, "WATCHDOG=1");
    world.turn();
    CHECK(elapsed == 0);
    world.turn();  // control: armed anew, and silent since
    CHECK(elapsed == 1);
    SECTION("or ends the waiting") {
        LoopTimers other(
            world.loop.get(),
            {.hear = [&](const std::string& unit) { timers.forget(unit), other.forget(unit); },
             .elapsed = [&](std::string_view, service::TimerKind) { ++elapsed; }});
        other.arm("web", service::TimerKind::kStartTimeout, config::Duration(0));
        world.turn();
        CHECK(elapsed == 1);
    }
}

TEST_CASE("notify: who is late is heard as far as its rate goes", "[engine]") {
    World world;
    world.hub.begin();
    const Fd client = world.socket();
    std::size_t rounds = 0;
    // It would be read for ever: each time as much as the queue holds.
    for (; rounds < 1000; ++rounds) {
        const std::size_t before = world.heard.size();
        while (::send(client.get(), "WATCHDOG=1", 10, MSG_DONTWAIT) == 10) continue;
        world.hub.hear("web");
        if (world.heard.size() == before) break;
    }
    CHECK(rounds < 1000);
    CHECK(world.heard.size() >= 900);
    const std::size_t before = world.heard.size();
    world.hub.drain("web");  // control: at its end everything counts
    CHECK(world.heard.size() > before);
}

TEST_CASE("notify: a newline on a pipe counts once, its end does not", "[engine]") {
    World world;
    world.hub.begin();
    const auto pipe = [&] {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        world.hub.add("web", ipc::NotifyKind::kNewline, Fd(ends[0]));
        return Fd(ends[1]);
    };
    {
        const Fd closed = pipe();
    }
    world.turn();
    CHECK(world.newlines == 0);
    const Fd writer = pipe();
    REQUIRE(::write(writer.get(), "no", 2) == 2);
    world.turn();
    CHECK(world.newlines == 0);
    REQUIRE(::write(writer.get(), "w\n\n", 3) == 3);
    world.turn();
    CHECK(world.newlines == 1);
}
