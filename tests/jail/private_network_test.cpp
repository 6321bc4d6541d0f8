// jail.network mode private and join: who reaches whom.

#include <arpa/inet.h>
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
#include "jailer/net/nft.hpp"
#include "jailer/net/private_networks.hpp"
#include "private_network.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
using Catch::Matchers::Contains;
using jailer::IntoNetwork;
using jailer::Netlink;

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
    CHECK(::poll(&called, 1, 10'000) == 1);  // control: the one that declared it is there
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
    CHECK(ask(chain.of(2), chain.address("db"), 5432, 10'000, chain.address("api")) == "db");
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
    REQUIRE(jailer::make_pair(*there, "wire"));
    REQUIRE(jailer::move_interface(*there, *jailer::find_interface(*there, "wire"),
                                   machine.network.get()));
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
