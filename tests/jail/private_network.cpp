#include "private_network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/sys.hpp"
#include "jailed.hpp"
#include "jailer/net/links.hpp"
#include "jailer/net/nft.hpp"

namespace jailsvc::test {

using jailer::IntoNetwork;
using jailer::Netlink;

namespace {

Fd present_network() {
    Fd network(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    REQUIRE(network);
    return network;
}

}  // namespace

Fd new_network() {
    const Fd own = present_network();
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    REQUIRE(jailer::set_loopback(true));
    Fd made = present_network();
    REQUIRE(::setns(own.get(), CLONE_NEWNET) == 0);
    return made;
}

bool can_have_networks() {
    if (!can_jail()) return false;
    if (::access("/usr/bin/python3", X_OK) != 0) {
        WARN("skipped: python3, which serves here, is not installed");
        return false;
    }
    if (!jailer::Nft().run("list tables\n")) {
        WARN("skipped: libnftables1 or nf_tables is missing");
        return false;
    }
    return true;
}

std::string serving(const std::string& name, int port, const std::string& network) {
    return fmt::format(
        "[service]\nexec_start = [\"/usr/bin/python3\", \"-c\", '''\n"
        "import os, socket\n"
        "s = socket.create_server((\"0.0.0.0\", {}), backlog=64)\n"
        "os.write(1, b\".\")\n"
        "while True:\n"
        "    c = s.accept()[0]\n"
        "    c.sendall(b\"{}\")\n"
        "    c.close()\n"
        "''']\n[jail.network]\n{}\n",
        port, name, network);
}

std::string ask(int from, const std::string& address, int port, int patience,
                const std::string& source) {
    const IntoNetwork into(from);
    REQUIRE(into.code() == 0);
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto place = [](const std::string& text, int number) {
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_port = htons(static_cast<std::uint16_t>(number));
        REQUIRE(::inet_pton(AF_INET, text.c_str(), &where.sin_addr) == 1);
        return where;
    };
    if (!source.empty()) {
        const auto own = place(source, 0);
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    }
    const auto to = place(address, port);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == -1 &&
        errno != EINPROGRESS) {
        return fmt::format("errno {}", errno);
    }
    pollfd ready{socket.get(), POLLIN, 0};
    if (::poll(&ready, 1, patience) != 1) return fmt::format("errno {}", ETIMEDOUT);
    char text[64];
    const ssize_t count = ::read(socket.get(), text, sizeof text);
    return count < 0 ? fmt::format("errno {}", errno)
                     : std::string(text, static_cast<std::size_t>(count));
}

const std::string kRefused = fmt::format("errno {}", ECONNREFUSED);

std::string file_in(pid_t pid, const std::string& path) {
    return sys::read_file(fmt::format("/proc/{}/root{}", pid, path)).value_or("");
}

std::string everything() {
    auto netlink = Netlink::open();
    REQUIRE(netlink);
    std::string all;
    const auto interfaces = jailer::list_interfaces(*netlink);
    REQUIRE(interfaces);
    for (const auto& interface : *interfaces) all += interface.name + "\n";
    jailer::Nft nft;
    const auto rules = nft.query("list ruleset");
    REQUIRE(rules);
    return all + *rules;
}

Chain::Chain() {
    world.write_unit("web", serving("web", 8000, "mode = \"private\"\nedges = [\"api:8080\"]"));
    world.write_unit("api", serving("api", 8080, "mode = \"private\"\nedges = [\"db:5432\"]"));
    world.write_unit("db", serving("db", 5432, "mode = \"private\""));
}

pid_t Chain::up(ipc::Token token, const std::string& unit, int port) {
    world.start(token, unit);
    const pid_t pid = world.wait_started(token).pid;
    await_listening(unit);
    REQUIRE(ask(of(token), address(unit), port) == unit);
    return pid;
}

void Chain::await_listening(const std::string& unit) {
    const auto log = std::ranges::find_if(world.kept, [&](const auto& item) {
        return item.kind == ipc::Kept::kLogPipe && item.unit == unit;
    });
    REQUIRE(log != world.kept.end());
    pollfd source{log->fd.get(), POLLIN, 0};
    REQUIRE(::poll(&source, 1, 20'000) == 1);
    char byte = 0;
    REQUIRE(::read(log->fd.get(), &byte, 1) == 1);
}

std::string Chain::address(const std::string& unit) {
    const std::string numbers = sys::read_file(world.places.lib + "/networks").value_or("");
    const auto at = ("\n" + numbers).find("\n" + unit + " ");
    REQUIRE(at != std::string::npos);
    return "10.213.0." + std::to_string(std::atoi(numbers.c_str() + at + unit.size() + 1));
}

void Chain::down(ipc::Token token, const std::string& unit) {
    world.teardown(token, unit);
    world.wait_torn_down(token);
}

}  // namespace jailsvc::test
