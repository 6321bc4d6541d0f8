// jail.network on the real kernel: what a program in a jail reaches, and where the namespaces come
// from. Each case has its negative control: the same program where the wall is not asked for.

#include <arpa/inet.h>
#include <ev.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <set>

#include "jail_fixture.hpp"
#include "jailed.hpp"
#include "jailer/net/links.hpp"
#include "jailer/net/namespace_pool.hpp"
#include "jailer/net/net_namespace.hpp"
#include "jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string kHostMode = "[jail.network]\nmode = \"host\"\n";
const std::string kLoopback = "[jail.network]\nmode = \"loopback\"\n";
const std::string kNone = "[jail.network]\nmode = \"none\"\n";

std::string say(Site& site, const std::string& jail, const std::string& script) {
    const Ran ran = site.run(jail, script);
    INFO(jail << "\n" << script);
    REQUIRE(ran.error == "");
    return ran.output;
}

/// A socket of this process that anybody on the host may call.
struct Listener {
    Fd socket;
    std::uint16_t port = 0;

    static Listener on_loopback() {
        Listener self{Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* raw = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(self.socket.get(), raw, size) == 0);
        REQUIRE(::listen(self.socket.get(), 8) == 0);
        REQUIRE(::getsockname(self.socket.get(), raw, &size) == 0);
        self.port = ntohs(address.sin_port);
        return self;
    }
    static Listener abstract(const std::string& name) {
        Listener self{Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
        sockaddr_un_ address{};
        address.family = AF_UNIX;
        std::memcpy(address.path + 1, name.data(), name.size());
        const auto size = static_cast<socklen_t>(sizeof address.family + 1 + name.size());
        REQUIRE(::bind(self.socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(self.socket.get(), 8) == 0);
        return self;
    }

private:
    struct sockaddr_un_ {
        sa_family_t family;
        char path[108];
    };
};

/// Python that connects, and says whether it could.
std::string calls(const std::string& family, const std::string& address) {
    return "/usr/bin/python3 -c '\n"
           "import socket\n"
           "s = socket.socket(socket." +
           family +
           ")\n"
           "s.settimeout(5)\n"
           "try:\n"
           "    s.connect(" +
           address +
           ")\n"
           "    print(\"connected\")\n"
           "except OSError as e:\n"
           "    print(\"refused\", e.errno)\n"
           "'";
}

/// A server on the jail's own loopback, asked by a client there.
const std::string kTalksToItself =
    "/usr/bin/python3 -c '\n"
    "import socket\n"
    "s = socket.create_server((\"127.0.0.1\", 0))\n"
    "c = socket.create_connection(s.getsockname(), 5)\n"
    "c.sendall(b\"through lo\")\n"
    "print(s.accept()[0].recv(64).decode())\n"
    "'";

/// Runs the pool's loop until it is full; fails the test after some seconds.
void await_full(struct ev_loop* loop, const jailer::NamespacePool& pool) {
    ev_timer limit;
    ev_timer_init(
        &limit, [](struct ev_loop* l, ev_timer*, int) { ev_break(l, EVBREAK_ALL); }, 10, 0);
    ev_timer_start(loop, &limit);
    // When the maker has ended nothing but the timer is left to wait for.
    while (ev_pending_count(loop) == 0 && ev_is_active(&limit) && pool.ready() < pool.kReady) {
        ev_run(loop, EVRUN_ONCE);
    }
    ev_timer_stop(loop, &limit);
    REQUIRE(pool.ready() == pool.kReady);
}

std::uint64_t inode_of(const Fd& file) {
    struct stat info{};
    REQUIRE(::fstat(file.get(), &info) == 0);
    return info.st_ino;
}

std::uint64_t network_of(pid_t pid) {
    struct stat info{};
    const std::string path = "/proc/" + std::to_string(pid) + "/ns/net";
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_ino;
}

}  // namespace

#define NEED_ROOT \
    if (!can_jail()) return

TEST_CASE("network: loopback and none do not reach the host's 127.0.0.1", "[jail][network]") {
    NEED_ROOT;
    Site site;
    const Listener host = Listener::on_loopback();
    const std::string call = calls("AF_INET", "(\"127.0.0.1\", " + std::to_string(host.port) + ")");
    CHECK(say(site, kHostMode, call) == "connected\n");  // control
    CHECK_THAT(say(site, kLoopback, call), Contains("refused " + std::to_string(ECONNREFUSED)));
    CHECK_THAT(say(site, kNone, call), Contains("refused " + std::to_string(ENETUNREACH)));
}

TEST_CASE("network: loopback and none do not reach abstract sockets of the host",
          "[jail][network][escape]") {
    NEED_ROOT;
    Site site;
    const std::string name = "jailsvc-test-" + std::to_string(::getpid());
    const Listener host = Listener::abstract(name);
    const std::string call = calls("AF_UNIX", "b\"\\0" + name + "\"");
    CHECK(say(site, kHostMode, call) == "connected\n");  // control
    CHECK_THAT(say(site, kLoopback, call), Contains("refused"));
    CHECK_THAT(say(site, kNone, call), Contains("refused"));
    CHECK_THAT(say(site, kNone, call), Contains("refused"));
}

TEST_CASE("network: a loopback of its own works; none has not even that", "[jail][network]") {
    NEED_ROOT;
    Site site;
    CHECK(say(site, kLoopback, kTalksToItself) == "through lo\n");
    CHECK_THAT(say(site, kNone, kTalksToItself), !Contains("through lo"));
    const std::string in_user_namespace =
        kLoopback +
        "[jail.namespaces]\nuser = true\nuid_map = [\"0 100000 65536\"]\n"
        "gid_map = [\"0 100000 65536\"]\n";
    CHECK(say(site, in_user_namespace, kTalksToItself) == "through lo\n");
}

TEST_CASE("network: the host's interfaces are not shown", "[jail][network]") {
    NEED_ROOT;
    Site site;
    const std::string shown = "ls -A /sys/class/net; tail -n +3 /proc/net/dev | cut -d: -f1";
    CHECK_THAT(say(site, kHostMode, shown), StartsWith("lo\n") || Contains("\nlo\n"));
    CHECK(say(site, kLoopback, shown) == "lo\n    lo\n");
    // Of the host's loopback, which was used, it would tell more.
    const std::string used = "cat /sys/class/net/lo/statistics/rx_packets";
    CHECK(say(site, kLoopback, used) == "0\n");
}

TEST_CASE("network: host and net = true are at odds", "[jail][network]") {
    NEED_ROOT;
    Site site;
    CHECK_THAT(site.run("[jail.namespaces]\nnet = true\n" + kHostMode, "true").error,
               Contains("at odds with net = true"));
}

TEST_CASE("network: what is made ahead is distinct, has its loopback up, and is taken once",
          "[jail][network]") {
    NEED_ROOT;
    const std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)> loop(ev_loop_new(EVFLAG_AUTO),
                                                                          ev_loop_destroy);
    jailer::NamespacePool pool(loop.get(), jailer::NamespacePool::Loopback::kUp);
    CHECK_FALSE(pool.take());  // nothing is made before it is asked for
    pool.fill();
    await_full(loop.get(), pool);
    std::set<std::uint64_t> seen{network_of(::getpid())};
    for (std::size_t i = 0; i < pool.kReady; ++i) {
        const Fd taken = pool.take();
        REQUIRE(taken);
        CHECK(seen.insert(inode_of(taken)).second);
        auto netlink = jailer::Netlink::open_in(taken.get());
        REQUIRE(netlink);
        const auto interfaces = jailer::list_interfaces(*netlink);
        REQUIRE(interfaces);
        for (const auto& interface : *interfaces) {
            CHECK(interface.is_up() == (interface.name == "lo"));
        }
    }
    CHECK_FALSE(pool.take());
    CHECK(network_of(::getpid()) == *seen.begin());
    pool.fill();
    await_full(loop.get(), pool);
    const Fd again = pool.take();
    CHECK(inode_of(again) != network_of(::getpid()));
}

TEST_CASE("network: a loopback that never was up answers at once", "[jail][network]") {
    NEED_ROOT;
    const std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)> loop(ev_loop_new(EVFLAG_AUTO),
                                                                          ev_loop_destroy);
    jailer::NamespacePool pool(loop.get(), jailer::NamespacePool::Loopback::kDown);
    pool.fill();
    await_full(loop.get(), pool);
    const Fd taken = pool.take();
    const jailer::IntoNetwork into(taken.get());
    REQUIRE(into.code() == 0);
    const auto call = [](int wait) {
        const Fd caller(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | wait, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(9);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const auto* raw = reinterpret_cast<const sockaddr*>(&address);
        return ::connect(caller.get(), raw, sizeof address) == 0 ? 0 : errno;
    };
    CHECK(call(0) == ENETUNREACH);
    REQUIRE(jailer::set_loopback(true));  // the control: up, and down again with its address
    CHECK(call(0) == ECONNREFUSED);
    REQUIRE(jailer::set_loopback(false));
    CHECK(call(SOCK_NONBLOCK) == EINPROGRESS);
}

TEST_CASE("network: a unit's second start is in a network made ahead, and not in its first",
          "[jail][network]") {
    NEED_ROOT;
    JailerWorld world;
    for (const auto* name : {"one", "two"}) {
        world.write_unit(name, "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n" + kLoopback);
    }
    world.start_jailer();
    world.start(1, "one");
    const pid_t first = world.wait_started(1).pid;
    world.start(2, "two");
    const pid_t second = world.wait_started(2).pid;
    const std::set<std::uint64_t> networks{network_of(first), network_of(second),
                                           network_of(::getpid())};
    CHECK(networks.size() == 3);
    world.teardown(1, "one");
    world.wait_torn_down(1);
    world.start(3, "one");
    CHECK(networks.count(network_of(world.wait_started(3).pid)) == 0);
}

TEST_CASE("network: attest finds another loopback than the plan's, and another namespace",
          "[jail][network][S2.10]") {
    NEED_ROOT;
    namespace fixture = jailer::test;
    const auto plan_with = [](std::optional<std::uint64_t> interfaces) {
        jailer::Plan plan = fixture::default_plan();
        if (interfaces) {
            plan.ops.insert(plan.ops.begin(),
                            fixture::make_op(JSV_OP_NETWORK, {.number = {*interfaces}}));
        }
        return plan;
    };
    const auto compile = [](jailer::Plan plan) {
        auto compiled = jailer::CompiledPlan::make(std::move(plan));
        REQUIRE(compiled);
        return std::move(*compiled);
    };
    fixture::Jail loopback(plan_with(JSV_NET_LOOPBACK));
    REQUIRE(loopback.stands());  // control: what was applied is what is found
    const auto none = compile(plan_with(JSV_NET_NONE));
    const auto up = jailer::attest_jail(jailer::test::spawn_context(), none, {}, loopback.stub());
    REQUIRE_FALSE(up);
    CHECK(up.error().text == "lo is up, not down");

    const std::uint64_t right = network_of(loopback.stub());
    CHECK(jailer::attest_jail(jailer::test::spawn_context(), loopback.plan(), {}, loopback.stub(),
                              right));
    const auto other = jailer::attest_jail(jailer::test::spawn_context(), loopback.plan(), {},
                                           loopback.stub(), right + 1);
    REQUIRE_FALSE(other);
    CHECK_THAT(other.error().text, Contains("the jail is in network"));

    fixture::Jail without(plan_with(std::nullopt));
    REQUIRE(without.stands());
    const auto hosts = jailer::attest_jail(jailer::test::spawn_context(), none, {}, without.stub());
    REQUIRE_FALSE(hosts);
    CHECK_THAT(hosts.error().text, Contains("in the host's network"));
}
