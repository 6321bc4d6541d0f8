#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "logger/outlets.hpp"

using namespace jailsvc;
using namespace jailsvc::logger;

namespace {

constexpr std::uint64_t kMoment = 1'700'000'000'123'456'789;  // 2023-11-14T22:13:20.123456Z

SentLine line(std::string_view text, const Moment& moment) {
    return {
        .unit = "web", .mark = LineMark::kStderr, .priority = 3, .text = text, .moment = moment};
}

/// A daemon that reads datagrams, as a journal does.
struct Daemon {
    std::string directory = "/tmp/jailsvc-outlet-XXXXXX";
    std::string path;
    Fd socket;
    Daemon() {
        REQUIRE(::mkdtemp(directory.data()) != nullptr);
        path = directory + "/socket";
    }
    ~Daemon() { std::filesystem::remove_all(directory); }
    void listen() {
        ::unlink(path.c_str());
        socket = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    [[nodiscard]] std::string receive() const {
        char text[32768];
        const ssize_t count = ::recv(socket.get(), text, sizeof text, 0);
        return count < 0 ? "" : std::string(text, static_cast<std::size_t>(count));
    }
    [[nodiscard]] Outlet outlet() const {
        return {"the daemon", Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
                path, [](const SentLine& one) { return std::string(one.text); }};
    }
};

}  // namespace

TEST_CASE("outlets: lines take the form that each sink reads", "[logger]") {
    const Moment moment(kMoment, 0);
    CHECK(journal_message(line("it failed", moment)) ==
          "MESSAGE=it failed\nPRIORITY=3\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=web\n"
          "JAILSVC_UNIT=web\nJAILSVC_STREAM=stderr\n");
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    CHECK(syslog_message(line("it failed", moment)) == "<27>Nov 14 22:13:20 web: it failed");
    CHECK(syslog5424_message(line("it failed", moment), "host") ==
          "<27>1 2023-11-14T22:13:20.123456Z host web - - - it failed");
    CHECK(syslog5424_message(line("it failed", moment), "").find("Z - web") != std::string::npos);
    CHECK(terminal_message(line("\x1b[31mred\t", moment)) == "web: ?[31mred\t\r\n");
    CHECK(container_message(line("text", moment)) == "web: text\n");
}

TEST_CASE("outlets: a priority at a line's start is taken off", "[logger]") {
    std::string_view text = "<3>error";
    CHECK(take_priority(text) == 3);
    CHECK(text == "error");
    for (std::string_view plain : {"<8>no", "<x>", "<", "", "text"}) {
        const std::string_view before = plain;
        CHECK(take_priority(plain) == 6);
        CHECK(plain == before);
    }
}

TEST_CASE("outlets: what a daemon does not take waits for it, in order", "[logger]") {
    const Moment moment(kMoment, 0);
    Daemon daemon;
    Outlet outlet = daemon.outlet();
    outlet.put(line("before it is there", moment));
    CHECK(outlet.waits());
    CHECK_FALSE(outlet.tells_room());
    daemon.listen();
    CHECK(outlet.flush());
    outlet.put(line("after", moment));
    CHECK(daemon.receive() == "before it is there");
    CHECK(daemon.receive() == "after");

    SECTION("also when it was started anew") {
        daemon.listen();
        outlet.put(line("to the new one", moment));
        CHECK(daemon.receive() == "to the new one");
    }
    SECTION("also when it reads slowly, and the descriptor tells when there is room") {
        int sent = 0;
        while (!outlet.waits()) outlet.put(line("line " + std::to_string(sent++), moment));
        CHECK(outlet.tells_room());
        for (int i = 0; i < 100; ++i) outlet.put(line("line " + std::to_string(sent++), moment));
        int received = 0;
        while (received < sent) {
            const std::string text = daemon.receive();
            if (text.empty()) {
                pollfd room{outlet.fd(), POLLOUT, 0};
                REQUIRE(::poll(&room, 1, 10'000) == 1);
                (void)outlet.flush();
                continue;
            }
            REQUIRE(text == "line " + std::to_string(received++));
        }
        CHECK_FALSE(outlet.waits());
    }
    SECTION("of too much the oldest is dropped, and their number is told") {
        daemon.listen();
        const std::string much(10'000, 'm');
        for (int i = 0; i < 1000; ++i) outlet.put(line(much, moment));
        CHECK(outlet.waits());
        int whole = 0;
        int dropped = 0;
        while (outlet.waits() || whole + dropped < 1000) {
            const std::string text = daemon.receive();
            if (text == much) ++whole;
            if (text.ends_with("did not take them")) dropped = std::atoi(text.c_str());
            if (text.empty() && !outlet.waits()) break;
            if (text.empty()) (void)outlet.flush();
        }
        const std::string note = daemon.receive();
        if (note.ends_with("did not take them")) dropped = std::atoi(note.c_str());
        CHECK(dropped > 0);
        CHECK(whole + dropped == 1000);
    }
}

TEST_CASE("outlets: a pipe that is full gets whole lines later", "[logger]") {
    const Moment moment(kMoment, 0);
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    const Fd reader(ends[0]);
    Outlet outlet("the pipe", Fd(ends[1]), "", container_message);
    const std::string text(999, 't');
    for (int i = 0; i < 5000; ++i) outlet.put(line(text, moment));
    CHECK(outlet.waits());
    std::string all;
    for (bool last = false; !last;) {
        last = !outlet.waits();
        char block[65536];
        for (ssize_t count; (count = ::read(reader.get(), block, sizeof block)) > 0;) {
            all.append(block, static_cast<std::size_t>(count));
        }
        (void)outlet.flush();
    }
    int whole = 0;
    int dropped = 0;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t end = all.find('\n', at);
        REQUIRE(end != std::string::npos);
        const std::string one = all.substr(at, end - at);
        if (one == "web: " + text) {
            ++whole;
        } else {
            REQUIRE(one.starts_with("jailsvc: "));
            dropped += std::atoi(one.c_str() + 9);
        }
        at = end + 1;
    }
    CHECK(dropped > 0);
    CHECK(whole + dropped == 5000);
}
