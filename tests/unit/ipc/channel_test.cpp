#include "ipc/channel.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "base/fd.hpp"

using namespace jailsvc;

namespace {

struct Pair {
    Pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        one = Fd(ends[0]);
        other = Fd(ends[1]);
    }
    Fd one;
    Fd other;
};

int open_descriptors() {
    int count = 0;
    DIR* folder = ::opendir("/proc/self/fd");
    while (::readdir(folder) != nullptr) ++count;
    ::closedir(folder);
    return count;
}

}  // namespace

TEST_CASE("channel: what a peer sent before its end is read, even if it left packets unread",
          "[ipc]") {
    Pair pair;
    auto ack = ipc::make<ipc::ExitAck>();
    ack.token = 42;
    REQUIRE(ipc::send(pair.one.get(), ack) == 0);  // never read by the other
    REQUIRE(ipc::send(pair.other.get(), ack) == 0);
    pair.other = Fd();

    ipc::Packet packet;
    REQUIRE(ipc::receive(pair.one.get(), packet) == 0);
    REQUIRE(packet.as<ipc::ExitAck>() != nullptr);
    CHECK(packet.as<ipc::ExitAck>()->token == 42);
    CHECK(ipc::receive(pair.one.get(), packet) == EPIPE);
}

TEST_CASE("channel: descriptors of refused packets are closed", "[ipc]") {
    Pair pair;
    ipc::Packet packet;
    const int before = open_descriptors();
    const Fd sent(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int fds[] = {sent.get(), sent.get(), sent.get(), sent.get()};

    auto hello = ipc::make<ipc::Hello>();
    hello.header.version = 999;
    REQUIRE(ipc::send(pair.other.get(), hello, fds, 4) == 0);
    CHECK(ipc::receive(pair.one.get(), packet) == EBADMSG);
    REQUIRE(ipc::send_raw(pair.other.get(), "x", 1, fds, 4) == 0);
    CHECK(ipc::receive(pair.one.get(), packet) == EBADMSG);
    REQUIRE(ipc::send_raw(pair.other.get(), "", 0, fds, 4) == 0);
    CHECK(ipc::receive(pair.one.get(), packet) == EPIPE);
    CHECK(open_descriptors() == before + 1);

    hello.header.version = ipc::kVersion;
    REQUIRE(ipc::send(pair.other.get(), hello, fds, 2) == 0);
    REQUIRE(ipc::receive(pair.one.get(), packet) == 0);
    CHECK(packet.fd_count() == 2);
    CHECK(open_descriptors() == before + 3);
    packet.reset();
    CHECK(open_descriptors() == before + 1);
}
