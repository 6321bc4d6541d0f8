// jail.network mode private and join, in a network namespace of the test's own: neither the
// machine's interfaces nor its nftables are touched. What a jail reaches is tried by sockets made
// in its namespace; that a program in it has no other is for network_test.cpp.

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <set>

#include "base/sys.hpp"
#include "jailed.hpp"
#include "jailer/net/links.hpp"
#include "jailer/net/net_namespace.hpp"
#include "jailer/net/nft.hpp"
#include "jailer/net/private_networks.hpp"
#include "jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
using Catch::Matchers::Contains;
using jailer::IntoNetwork;
using jailer::Netlink;

namespace {

constexpr int kPatienceMs = 10'000;

Fd present_network() {
    Fd network(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    REQUIRE(network);
    return network;
}

Fd new_network() {
    const Fd own = present_network();
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    REQUIRE(jailer::set_loopback(true));
    Fd made = present_network();
    REQUIRE(::setns(own.get(), CLONE_NEWNET) == 0);
    return made;
}

/// The test's own "machine": the jailer and everything it makes are in it.
struct Machine {
    Fd network = new_network();
    IntoNetwork into{network.get()};
};

#define NEED_NETWORKS                                                  \
    if (!can_jail()) return;                                           \
    if (::access("/usr/bin/python3", X_OK) != 0) {                     \
        WARN("skipped: python3, which serves here, is not installed"); \
        return;                                                        \
    }                                                                  \
    if (!jailer::Nft().run("list tables\n")) {                         \
        WARN("skipped: libnftables1 or nf_tables is missing");         \
        return;                                                        \
    }

/// A unit that answers every connection to `port` with its name.
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

/// What came from there, or "errno N"; "errno 110" (ETIMEDOUT) where nothing did.
std::string ask(int from, const std::string& address, int port, int patience = kPatienceMs,
                const std::string& source = "") {
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

/// Every interface, and every rule: what must be the same before and after.
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

/// Three units: web may call api, api may call db.
class Chain {
public:
    Chain() {
        world.write_unit("web", serving("web", 8000, "mode = \"private\"\nedges = [\"api:8080\"]"));
        world.write_unit("api", serving("api", 8080, "mode = \"private\"\nedges = [\"db:5432\"]"));
        world.write_unit("db", serving("db", 5432, "mode = \"private\""));
    }
    /// Started, and listening.
    pid_t up(ipc::Token token, const std::string& unit, int port) {
        world.start(token, unit);
        const pid_t pid = world.wait_started(token).pid;
        await_listening(unit);
        REQUIRE(ask(of(token), address(unit), port) == unit);
        return pid;
    }
    /// Each unit writes a byte when it listens, which is left unread by a logger that is not there.
    void await_listening(const std::string& unit) {
        const auto log = std::ranges::find_if(world.kept, [&](const auto& item) {
            return item.kind == ipc::Kept::kLogPipe && item.unit == unit;
        });
        REQUIRE(log != world.kept.end());
        pollfd source{log->fd.get(), POLLIN, 0};
        REQUIRE(::poll(&source, 1, 20'000) == 1);
        char byte = 0;
        REQUIRE(::read(log->fd.get(), &byte, 1) == 1);
    }
    [[nodiscard]] int of(ipc::Token token) { return world.processes.at(token).pidfd.get(); }
    /// As the jail itself has it in its /etc/hosts.
    std::string address(const std::string& unit) {
        const std::string numbers = sys::read_file(world.places.lib + "/networks").value_or("");
        const auto at = ("\n" + numbers).find("\n" + unit + " ");
        REQUIRE(at != std::string::npos);
        return "10.213.0." + std::to_string(std::atoi(numbers.c_str() + at + unit.size() + 1));
    }
    void down(ipc::Token token, const std::string& unit) {
        world.teardown(token, unit);
        world.wait_torn_down(token);
    }

    JailerWorld world;
};

}  // namespace

TEST_CASE("private network: only declared edges are there", "[jail][network][S0.12]") {
    NEED_NETWORKS;
    const Machine machine;
    const std::string before = everything();
    Chain chain;
    chain.world.start_jailer();
    const pid_t web = chain.up(1, "web", 8000);
    chain.up(2, "api", 8080);
    chain.up(3, "db", 5432);
    const auto addresses =
        std::set{chain.address("web"), chain.address("api"), chain.address("db")};
    CHECK(addresses.size() == 3);

    CHECK(ask(chain.of(1), chain.address("api"), 8080) == "api");
    CHECK(ask(chain.of(2), chain.address("db"), 5432) == "db");
    CHECK(ask(chain.of(1), chain.address("db"), 5432) == kRefused);
    CHECK(ask(chain.of(3), chain.address("api"), 8080) == kRefused);
    CHECK(ask(chain.of(2), chain.address("web"), 8000) == kRefused);  // no way back
    CHECK(ask(chain.of(1), chain.address("api"), 8081) == kRefused);  // nor another port
    CHECK_THAT(file_in(web, "/etc/hosts"),
               Contains(chain.address("api") + " api\n") && !Contains(" db\n"));

    chain.down(1, "web");
    chain.down(2, "api");
    chain.down(3, "db");
    CHECK(everything() == before);
}

TEST_CASE("private network: the host's services are reached where they are declared",
          "[jail][network][escape]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    chain.world.write_unit("asks",
                           serving("asks", 8000, "mode = \"private\"\nedges = [\"host:700\"]"));
    chain.world.start_jailer();
    chain.up(1, "web", 8000);
    chain.up(2, "asks", 8000);
    const Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(700);
    REQUIRE(::bind(server.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
    REQUIRE(::listen(server.get(), 8) == 0);
    // Nothing is said on it: to be connected and to hear nothing is enough.
    CHECK(ask(chain.of(1), "10.213.0.1", 700) == kRefused);
    CHECK(ask(chain.of(2), "10.213.0.1", 700, 200) == fmt::format("errno {}", ETIMEDOUT));
    pollfd called{server.get(), POLLIN, 0};
    CHECK(::poll(&called, 1, kPatienceMs) == 1);  // control: the one that declared it is there
    // And a forward does not take a port from whoever listens on it.
    chain.world.write_unit("takes",
                           serving("takes", 8000, "mode = \"private\"\nforwards = [\"700:8000\"]"));
    chain.world.start(3, "takes");
    CHECK_THAT(std::string(ipc::get_text(chain.world.wait_failed(3).text)),
               Contains("port 700/tcp of the host is taken by a program on the host"));
}

TEST_CASE("private network: a false source address gets nowhere", "[jail][network][escape]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    chain.world.start_jailer();
    chain.up(1, "web", 8000);
    chain.up(2, "api", 8080);
    chain.up(3, "db", 5432);
    {
        // As if web could set addresses: it takes api's, which may call db.
        const IntoNetwork into(chain.of(1));
        auto netlink = Netlink::open();
        REQUIRE(netlink);
        in_addr raw{};
        REQUIRE(::inet_pton(AF_INET, chain.address("api").c_str(), &raw) == 1);
        const auto eth0 = jailer::find_interface(*netlink, "eth0");
        REQUIRE(eth0);
        REQUIRE(jailer::add_address(*netlink, *eth0, ntohl(raw.s_addr)));
    }
    CHECK(ask(chain.of(2), chain.address("db"), 5432, kPatienceMs, chain.address("api")) == "db");
    CHECK(ask(chain.of(1), chain.address("db"), 5432, 1000, chain.address("api")) ==
          fmt::format("errno {}", ETIMEDOUT));
}

TEST_CASE("private network: no IPv6 leaves a jail", "[jail][network][escape]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    chain.world.start_jailer();
    chain.up(1, "web", 8000);
    auto inside = Netlink::open_in(chain.of(1));
    REQUIRE(inside);
    const auto addresses = jailer::list_addresses(*inside);
    REQUIRE(addresses);
    for (const auto& address : *addresses) {
        if (address.family != AF_INET6) continue;
        CHECK(address.bytes == std::string(15, '\0') + '\1');  // ::1 of its own loopback
    }
}

TEST_CASE("private network: a forward leads from the host's port to nginx",
          "[jail][network][S1.16][S4.11]") {
    NEED_NETWORKS;
    if (::access("/usr/sbin/nginx", X_OK) != 0) {
        WARN("skipped: nginx is not installed");
        return;
    }
    const Machine machine;
    // A neighbour of the machine: 192.0.2.2, which reaches it as 192.0.2.1.
    const Fd neighbour = new_network();
    auto here = Netlink::open();
    auto there = Netlink::open_in(neighbour.get());
    REQUIRE(here);
    REQUIRE(there);
    REQUIRE(jailer::make_pair(*here, "wire", neighbour.get()));
    const int wire = *jailer::find_interface(*here, "wire");
    const int eth0 = *jailer::find_interface(*there, "eth0");
    constexpr jailer::NetAddressV4 kHere = 0xc0000201, kThere = 0xc0000202;
    REQUIRE(jailer::add_address(*here, wire, kHere));
    REQUIRE(jailer::add_address(*there, eth0, kThere));
    REQUIRE(jailer::raise_interface(*here, wire));
    REQUIRE(jailer::raise_interface(*there, eth0));
    REQUIRE(jailer::add_route(*here, {.to = kThere, .prefix = 32, .interface = wire}));
    REQUIRE(jailer::add_route(*there, {.to = kHere, .prefix = 32, .interface = eth0}));
    REQUIRE(sys::write_file("/proc/sys/net/ipv4/ip_forward", "1"));  // of this namespace alone

    Chain chain;
    JailerWorld& world = chain.world;
    REQUIRE(sys::make_directories(world.root + "/site"));
    REQUIRE(sys::replace_file(world.root + "/site/nginx.conf",
                              "daemon off; pid /tmp/pid; error_log stderr; events {}\n"
                              "http { access_log off; client_body_temp_path /tmp/b;\n"
                              "proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;\n"
                              "uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/c;\n"
                              "server { listen 3000; return 200 \"hello\"; } }\n"));
    world.write_unit("nginx",
                     "[service]\nexec_start = [\"/usr/sbin/nginx\", \"-e\", \"stderr\", \"-c\", "
                     "\"/run/site/nginx.conf\"]\n[jail.chroot]\nbinds_ro = [\"" +
                         world.root + "/site:/run/site\"]\n" +
                         "[jail.network]\nmode = \"private\"\nforwards = [\"80:3000\"]\n");
    world.start_jailer();
    world.start(1, "nginx");
    world.wait_started(1);
    const auto get = [](int from, const std::string& address) {
        const IntoNetwork into(from);
        FILE* curl = ::popen(("curl -sS --max-time 5 http://" + address + "/ 2>&1").c_str(), "r");
        char text[256] = {};
        const std::size_t count = ::fread(text, 1, sizeof text - 1, curl);
        ::pclose(curl);
        return std::string(text, count);
    };
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (get(chain.of(1), "127.0.0.1:3000") != "hello") {
        REQUIRE(std::chrono::steady_clock::now() < end);
    }
    CHECK(get(neighbour.get(), "192.0.2.1") == "hello");        // from outside
    CHECK(get(machine.network.get(), "192.0.2.1") == "hello");  // and from the machine itself
    CHECK(get(neighbour.get(), "192.0.2.1:3000") != "hello");   // no other port
    // A second unit cannot take the port.
    world.write_unit("thief", serving("thief", 80, "mode = \"private\"\nforwards = [\"80:80\"]"));
    world.start(2, "thief");
    CHECK_THAT(std::string(ipc::get_text(world.wait_failed(2).text)),
               Contains("port 80/tcp of the host is taken by another unit's forward"));
    CHECK(get(neighbour.get(), "192.0.2.1") == "hello");
    chain.down(1, "nginx");
    CHECK(get(neighbour.get(), "192.0.2.1") != "hello");
}

TEST_CASE("private network: what a killed jailer made is kept while it lives, then swept",
          "[jail][network][chaos]") {
    NEED_NETWORKS;
    const Machine machine;
    const std::string before = everything();
    Chain chain;
    JailerWorld& world = chain.world;
    world.start_jailer();
    chain.up(1, "web", 8000);
    chain.up(2, "api", 8080);
    world.kill_jailer();
    CHECK(ask(chain.of(1), chain.address("api"), 8080) == "api");
    // web dies and is forgotten while there is no jailer: its interface and rules belong to nobody.
    std::erase_if(world.kept, [](const KeptFd& kept) { return kept.unit == "web"; });
    for (const ipc::Token token : {ipc::Token{1}, 1 | ipc::kStubBit}) {
        (void)sys::pidfd_signal(chain.of(token), SIGKILL);
    }
    world.wait_exit(1);
    world.wait_exit(1 | ipc::kStubBit);
    world.acknowledge(1);
    world.acknowledge(1 | ipc::kStubBit);
    world.start_jailer();
    CHECK(world.count_processes("api") > 0);  // the snapshot has been taken
    CHECK_THAT(everything(), !Contains(chain.address("web") + "\""));
    CHECK_THAT(everything(), Contains(chain.address("api") + "\""));
    CHECK(ask(chain.of(2), chain.address("api"), 8080) == "api");
    chain.down(2, "api");
    CHECK(everything() == before);
}

TEST_CASE("private network: what bears not our mark stays", "[jail][network]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    auto netlink = Netlink::open();
    REQUIRE(netlink);
    const Fd other = new_network();
    const auto names = jailer::NetNames::of(chain.world.places.run);
    REQUIRE(jailer::make_pair(*netlink, names.prefix + "2", other.get()));
    jailer::Nft nft;
    REQUIRE(nft.run("add table inet other\nadd chain inet other c\n"));
    const std::string before = everything();
    chain.world.start_jailer();
    chain.world.start(1, "web");  // its number is the first: 2
    CHECK_THAT(std::string(ipc::get_text(chain.world.wait_failed(1).text)),
               Contains("interface " + names.prefix + "2"));
    CHECK(everything() == before);
}

TEST_CASE("private network: a range that the host uses is refused", "[jail][network]") {
    NEED_NETWORKS;
    const Machine machine;
    auto netlink = Netlink::open();
    REQUIRE(netlink);
    const Fd other = new_network();
    REQUIRE(jailer::make_pair(*netlink, "wire", other.get()));
    const int wire = *jailer::find_interface(*netlink, "wire");
    REQUIRE(jailer::raise_interface(*netlink, wire));
    REQUIRE(jailer::add_route(*netlink, {.to = 0x0ad50100, .prefix = 24, .interface = wire}));
    Chain chain;
    chain.world.start_jailer();
    chain.world.start(1, "web");
    CHECK_THAT(std::string(ipc::get_text(chain.world.wait_failed(1).text)),
               Contains("range 10.213.0.0/16 overlaps 10.213.1.0/24, which the host reaches by "
                        "wire; set jail.network.range"));
}

TEST_CASE("private network: what was tampered with is refused by the attest",
          "[jail][network][S2.10]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    auto networks = jailer::PrivateNetworks::open(chain.world.places);
    REQUIRE(networks);
    const Fd jail = new_network();
    jailer::NetDemand demand{.range = *jailer::NetRange::parse("10.213.0.0/16"),
                             .edges = {{"api", 8080, "tcp"}},
                             .forwards = {{80, 8080, "tcp"}}};
    const auto make = [&] { REQUIRE(networks->make("web", demand, jail.get())); };
    const auto why = [&] {
        const auto held = networks->attest("web", demand, jail.get());
        return held ? "" : held.error().message;
    };
    const auto names = jailer::NetNames::of(chain.world.places.run);
    jailer::Nft nft;
    make();
    CHECK(why() == "");  // control
    REQUIRE(
        nft.run(fmt::format("delete element inet {} edges {{ 10.213.0.2 . 10.213.0.3 . tcp . "
                            "8080 }}",
                            names.table)));
    CHECK_THAT(why(), Contains("table " + names.table));
    make();
    CHECK(why() == "");
    REQUIRE(nft.run("flush chain inet " + names.table + " forward"));
    CHECK_THAT(why(), Contains("table " + names.table));
    networks->remove("web");
    make();
    CHECK(why() == "");
    demand.edges.push_back({"db", 5432, "tcp"});
    CHECK_THAT(why(), Contains("table"));  // an edge that was not made
    demand.edges.pop_back();
    demand.forwards.clear();
    CHECK_THAT(why(), Contains("routes"));
    networks->remove("web");
}

TEST_CASE("network: a unit joins another's network, and none that is not there",
          "[jail][network]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    JailerWorld& world = chain.world;
    const std::string sleep =
        "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n[jail.network]\n";
    world.write_unit("side", sleep + "mode = \"join\"\njoin = \"web\"\n");
    world.write_unit("plain", sleep + "mode = \"host\"\n");
    world.write_unit("wrong", sleep + "mode = \"join\"\njoin = \"plain\"\n");
    world.start_jailer();
    world.start(1, "side");
    CHECK_THAT(std::string(ipc::get_text(world.wait_failed(1).text)),
               Contains("web has no jail to join"));
    chain.up(2, "web", 8000);
    world.start(3, "side");
    world.wait_started(3);
    CHECK(ask(chain.of(3), "127.0.0.1", 8000) == "web");
    world.start(4, "plain");
    world.wait_started(4);
    CHECK(ask(chain.of(4), "127.0.0.1", 8000) == kRefused);  // control
    world.start(5, "wrong");
    CHECK_THAT(std::string(ipc::get_text(world.wait_failed(5).text)),
               Contains("has the host's network"));
}
