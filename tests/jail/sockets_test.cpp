#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "jail_fixture.hpp"
#include "jailed.hpp"
#include "jailer/sockets/open_socket.hpp"
#include "jailer/sockets/peer.hpp"
#include "jailer/sockets/trusted_path.hpp"
#include "temp_folder.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;
using namespace jailsvc::jailer::test;
using config::parse_socket_address;
using config::SocketTable;

namespace {

/// Below /run, where root alone writes.
class Folder : public jailsvc::test::TempFolder {
public:
    Folder() : TempFolder("sockets", 0755, "/run") {}
    [[nodiscard]] std::string operator/(const std::string& name) const { return at(name); }
};

Result<Fd> open_at(const std::string& address, const SocketTable& table = {}) {
    return open_socket(*parse_socket_address(address), table);
}

std::string refusal(const std::string& address, const SocketTable& table = {}) {
    const auto opened = open_at(address, table);
    return opened ? "opened" : opened.error().message;
}

Fd connect_to(const std::string& path) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    path.copy(un.sun_path, sizeof un.sun_path - 1);
    const bool connected =
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&un), sizeof un) == 0;
    return connected ? std::move(fd) : Fd();
}

}  // namespace

TEST_CASE("sockets: a file has its mode and owner, and is no link's target", "[jail][sockets]") {
    REQUIRE_JAILS();
    const Folder folder;
    SocketTable table;
    table.mode = "0640";
    table.owner = "12345";
    table.group = "23456";
    const auto opened = open_at("unix:" + (folder / "deep/er/s"), table);
    REQUIRE(opened);
    struct stat info{};
    REQUIRE(::lstat((folder / "deep/er/s").c_str(), &info) == 0);
    CHECK(S_ISSOCK(info.st_mode));
    CHECK((info.st_mode & 07777U) == 0640);
    CHECK(info.st_uid == 12345);
    CHECK(info.st_gid == 23456);
    table.owner = "nobody-of-that-name";
    CHECK(refusal("unix:" + (folder / "t"), table).find("no user nobody-of-that-name") !=
          std::string::npos);
}

TEST_CASE("sockets: a path that others could lead elsewhere is refused", "[jail][sockets]") {
    REQUIRE_JAILS();
    const Folder folder;
    REQUIRE(::mkdir((folder / "theirs").c_str(), 0755) == 0);
    CHECK(refusal("unix:" + (folder / "theirs/s")) == "opened");  // control: still root's
    REQUIRE(::chown((folder / "theirs").c_str(), 12345, 12345) == 0);
    CHECK(refusal("unix:" + (folder / "theirs/t")).find("others than root may write in") !=
          std::string::npos);
    // Not by a detour either: the link is root's, what it leads to is not.
    REQUIRE(::symlink("theirs", (folder / "link").c_str()) == 0);
    CHECK(refusal("unix:" + (folder / "link/t")).find("/theirs, and so") != std::string::npos);
    REQUIRE(::mkdir((folder / "ours").c_str(), 0755) == 0);
    REQUIRE(::symlink("../", (folder / "ours/up").c_str()) == 0);
    CHECK(refusal("unix:" + (folder / "ours/up/u")) == "opened");  // control: a link of root's
    REQUIRE(::symlink("loop", (folder / "loop").c_str()) == 0);
    CHECK(refusal("unix:" + (folder / "loop/s")).find("too many symbolic links") !=
          std::string::npos);
    // At the end of the path a link is something else than a socket.
    REQUIRE(::symlink("/etc/passwd", (folder / "file").c_str()) == 0);
    CHECK(refusal("unix:" + (folder / "file")).find("something else") != std::string::npos);
    CHECK(std::filesystem::exists("/etc/passwd"));
}

TEST_CASE("sockets: what was left is replaced, what is in use is not", "[jail][sockets]") {
    REQUIRE_JAILS();
    const Folder folder;
    const std::string path = folder / "s";
    {
        const auto first = open_at("unix:" + path);
        REQUIRE(first);
        CHECK(refusal("unix:" + path).find("is in use by") != std::string::npos);
        CHECK(connect_to(path));  // and goes on
    }
    CHECK_FALSE(connect_to(path));
    const auto second = open_at("unix:" + path);
    REQUIRE(second);
    CHECK(connect_to(path));
    remove_socket_file(*parse_socket_address("unix:" + path));
    CHECK_FALSE(std::filesystem::exists(path));
    REQUIRE(::mkdir(path.c_str(), 0755) == 0);
    remove_socket_file(*parse_socket_address("unix:" + path));
    CHECK(std::filesystem::exists(path));  // no socket: not ours
}

TEST_CASE("sockets: one that was shut down by its service listens again, or is known for it",
          "[jail][sockets]") {
    REQUIRE_JAILS();
    const std::string path = "/run/jailsvc-sockets-shut";
    for (const std::string& name : {std::string("tcp:127.83.7.9:8099"), "unix:" + path,
                                    std::string("unix:@jailsvc-sockets-shut")}) {
        CAPTURE(name);
        const auto address = *parse_socket_address(name);
        const auto opened = open_socket(address, {});
        REQUIRE(opened);
        CHECK(still_listens(opened->get(), address, {}));
        REQUIRE(::shutdown(opened->get(), SHUT_RDWR) == 0);
        int listens = 0;
        socklen_t size = sizeof listens;
        REQUIRE(::getsockopt(opened->get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0);
        const bool is_tcp = address.kind == jailsvc::config::SocketKind::kTcp;
        CHECK((listens == 0) == is_tcp);
        CHECK(still_listens(opened->get(), address, {}) == is_tcp);
        REQUIRE(::getsockopt(opened->get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0);
        CHECK(listens == 1);
        remove_socket_file(address);
    }
}

TEST_CASE("sockets: options are in force", "[jail][sockets]") {
    REQUIRE_JAILS();
    SocketTable table;
    table.ipv6_only = true;
    table.keep_alive = true;
    table.reuse_port = true;
    const auto opened = open_at("tcp:[::1]:8098", table);
    REQUIRE(opened);
    const auto option = [&](int level, int name) {
        int value = -1;
        socklen_t size = sizeof value;
        (void)::getsockopt(opened->get(), level, name, &value, &size);
        return value;
    };
    CHECK(option(IPPROTO_IPV6, IPV6_V6ONLY) == 1);
    CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(SOL_SOCKET, SO_REUSEPORT) == 1);
    CHECK(open_at("tcp:[::1]:8098", table));  // which allows a second one
    table.reuse_port = false;
    CHECK_FALSE(open_at("tcp:[::1]:8098", table));  // control
    table.bind_to_device = "no-such-device0";
    CHECK(refusal("tcp:[::1]:8097", table).find("no-such-device0") != std::string::npos);
}

TEST_CASE("sockets: who connects is known by the kernel's word", "[jail][sockets]") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd one(ends[0]), other(ends[1]);
    CHECK(peer_of(one.get()).source == "uid" + std::to_string(::geteuid()));
    CHECK(peer_of(one.get()).address.empty());
}

TEST_CASE("attest: a descriptor on another file than was passed is refused", "[jail][sockets]") {
    REQUIRE_JAILS();
    Jail jail(default_plan());
    REQUIRE(jail.stands());
    const auto socket = open_at("tcp:127.83.7.9:8096");
    const auto other = open_at("tcp:127.83.7.9:8095");
    REQUIRE((socket && other));
    Program program;
    program.argv = {"/bin/true"};
    program.passed = {socket->get()};
    auto parked = jail.park(program);
    REQUIRE(parked);
    const auto attest = [&](int expected) {
        return attest_program(jail.plan(), {}, jail.stub(), parked->pid, *identify({expected}),
                              jail.evidence());
    };
    const auto held = attest(other->get());
    REQUIRE_FALSE(held);
    CHECK(held.error().text.find("descriptor 3 is another than was passed") != std::string::npos);
    CHECK(attest(socket->get()));  // control
    (void)jailsvc::jailer::open_gate(*parked);
    (void)await_end(*parked);
}

TEST_CASE("jail: a program is told the pid that it has for itself", "[jail][sockets]") {
    REQUIRE_JAILS();
    Jail jail(default_plan());
    REQUIRE(jail.stands());
    Program program;
    program.argv = {"/bin/sh", "-c", "echo \"$LISTEN_PID $$\""};
    program.pid_variable = "LISTEN_PID";
    const std::string output = jail.run(program).output;
    const auto space = output.find(' ');
    CHECK(output.substr(0, space) + "\n" == output.substr(space + 1));
    program.pid_variable.clear();
    CHECK(jail.run(program).output.front() == ' ');  // control
}
