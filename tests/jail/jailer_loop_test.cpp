#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/sys.hpp"
#include "jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

namespace {

constexpr const char* kTrue = "[service]\nexec_start = [\"/bin/true\"]\n";
constexpr const char* kSleep = "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n";
constexpr const char* kHostSleep =
    "[service]\nexec_start = [\"/bin/sh\", \"-c\", \"sleep 1000 & sleep 1000; true\"]\n"
    "[jail]\nprofile = \"host\"\n";

bool skipped_without_root() {
    if (::geteuid() == 0) return false;
    WARN("skipped: jails need root");
    return true;
}

bool is_gone(pid_t pid) {
    return ::kill(pid, 0) == -1 && errno == ESRCH;
}

ipc::Signal signal_of(ipc::Token token, const char* unit, int signo, ipc::Whom whom) {
    auto message = ipc::make<ipc::Signal>();
    message.token = token;
    message.signo = signo;
    message.whom = whom;
    ipc::set_text(message.unit, unit);
    return message;
}

/// Asks for `argv` in the unit's jail; the request itself is sent by a process of that uid.
void exec_as(JailerWorld& world, uid_t uid, ipc::Token token, const std::string& words, int out) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd client(ends[0]);
    const Fd passed(ends[1]);
    const int on = 1;
    for (const int end : ends) {
        REQUIRE(::setsockopt(end, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    }
    const pid_t sender = ::fork();
    if (sender == 0) {
        if (uid != 0 && ::setresuid(uid, uid, uid) != 0) ::_exit(1);
        ipc::ExecRequest head{ipc::ExecRequest::kMagic,
                              static_cast<std::uint32_t>(std::ranges::count(words, '\0')),
                              0,
                              {},
                              0,
                              0};
        ipc::set_text(head.unit, "web");
        std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
        bytes += words;
        const int fds[3] = {out, out, out};
        ::_exit(ipc::send_raw(client.get(), bytes.data(), bytes.size(), fds, 3) == 0 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(sender, &status, 0) == sender);
    REQUIRE(status == 0);
    auto message = ipc::make<ipc::Exec>();
    message.token = token;
    ipc::set_text(message.unit, "web");
    const int fd = passed.get();
    world.send(message, &fd, 1);
}

}  // namespace

TEST_CASE("jailer: a program runs in a jail, its exit is seen, nothing is left",
          "[jail][S4.15][S4.20]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.write_unit("web", kTrue);
    world.start_jailer();
    world.start(1, "web");
    const auto started = world.wait_started(1);
    CHECK(world.wait_exit(1) == 0);
    CHECK(world.processes.at(1).pid == started.pid);
    const pid_t init = world.processes.at(1 | ipc::kStubBit).pid;
    CHECK_FALSE(is_gone(init));
    world.teardown(1, "web");
    world.wait_torn_down(1);
    CHECK(is_gone(init));
    CHECK(world.kept_units() == 0);
}

TEST_CASE("jailer: a start that fails names its step and leaves no process", "[jail][S2.10]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.start_jailer();
    SECTION("a program that is not there") {
        world.write_unit("web", "[service]\nexec_start = [\"/bin/no-such-program\"]\n");
        world.start(1, "web");
        const auto failure = world.wait_failed(1);
        CHECK(failure.code == ENOENT);
        CHECK(ipc::get_text(failure.operation) == "exec");
    }
    SECTION("a bind whose source is not there") {
        world.write_unit(
            "web", std::string(kTrue) + "[jail.chroot]\nbinds = [\"/no/such/folder:/mnt\"]\n");
        world.start(1, "web");
        const auto failure = world.wait_failed(1);
        CHECK(ipc::get_text(failure.plugin) == "chroot");
        CHECK(ipc::get_text(failure.operation) == "bind");
        CHECK(ipc::get_text(failure.text).find("/no/such/folder") != std::string_view::npos);
    }
    for (auto& [token, process] : world.processes) {
        world.wait_exit(token);
        CHECK(is_gone(process.pid));
    }
    world.teardown(1, "web");
    world.wait_torn_down(1);
    world.write_unit("web", kTrue);  // the negative control: the same unit without the fault
    world.send(ipc::make<ipc::ReloadUnits>());
    world.start(2, "web");
    world.wait_started(2);
}

TEST_CASE("jailer: a unit that changed since the engine read it is refused", "[jail]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.write_unit("web", kTrue);
    world.start_jailer();
    auto message = ipc::make<ipc::Start>();
    message.token = 1;
    ipc::set_text(message.unit, "web");
    world.send(message);  // with a digest of zeros
    const auto failure = world.wait_failed(1);
    CHECK(ipc::get_text(failure.text).find("daemon-reload") != std::string_view::npos);
    CHECK(world.processes.empty());
    world.start(2, "web");
    world.wait_started(2);
}

TEST_CASE("jailer: a token is started once, however often it is asked for", "[jail]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.write_unit("web", kSleep);
    world.start_jailer();
    world.start(1, "web");
    world.start(1, "web");
    const auto first = world.wait_started(1);
    world.start(1, "web");
    world.wait_until([&] { return world.started.size() >= 2; }, "it answered again");
    (void)world.count_processes("web");
    for (const auto& message : world.started) CHECK(message.pid == first.pid);
    CHECK(std::ranges::count(world.intents, 1U) == 1);
}

TEST_CASE("jailer: signals that it was started with as ignored are not so for its services",
          "[jail]") {
    if (skipped_without_root()) return;
    // glibc's own, which posix_spawn(3) ignores in what it starts, and an ordinary one.
    constexpr int kSignals[] = {32, 33, SIGXFSZ};
    const auto set_all = [&](std::uintptr_t handler) {
        const std::uintptr_t disposition[4] = {handler};  // struct of rt_sigaction(2)
        for (const int signo : kSignals) {
            REQUIRE(::syscall(SYS_rt_sigaction, signo, disposition, nullptr, 8) == 0);
        }
    };
    JailerWorld world;
    world.write_unit("web", kSleep);
    set_all(1);  // SIG_IGN
    world.start_jailer();
    set_all(0);  // SIG_DFL
    world.start(1, "web");
    const pid_t pid = world.wait_started(1).pid;
    const auto status = sys::read_file("/proc/" + std::to_string(pid) + "/status");
    REQUIRE(status);
    CHECK(status->find("SigIgn:\t0000000000000000") != std::string::npos);
}

TEST_CASE("jailer: another one takes over what a killed one ran", "[jail][chaos]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    const bool host = GENERATE(false, true);
    world.write_unit("web", host ? kHostSleep : kSleep);
    world.start_jailer();
    world.start(1, "web");
    const pid_t pid = world.wait_started(1).pid;
    world.kill_jailer();
    CHECK_FALSE(is_gone(pid));
    world.started.clear();
    world.start_jailer();
    world.start(1, "web");  // the engine did not hear of it
    CHECK(world.wait_started(1).pid == pid);
    world.send(signal_of(1, "web", SIGTERM, ipc::Whom::kProcess));
    CHECK(world.wait_exit(1) == SIGTERM);
    world.teardown(1, "web");
    world.wait_torn_down(1);
    for (const auto& [token, process] : world.processes) CHECK(is_gone(process.pid));
    world.start(2, "web");
    world.wait_started(2);
}

TEST_CASE("jailer: killed at any moment of a start, it leaves nothing behind", "[jail][chaos]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.write_unit("web", kSleep);
    world.start_jailer();
    int survived = 0;
    for (ipc::Token token = 1; token <= 24; ++token) {
        world.started.clear();
        world.failed.clear();
        world.start(token, "web");
        // Moments from before the request is read to after the exec: where exactly does not matter.
        const auto until =
            std::chrono::steady_clock::now() + std::chrono::microseconds(400) * token;
        while (std::chrono::steady_clock::now() < until) {
        }
        world.kill_jailer();
        world.start_jailer();
        world.start(token, "web");  // as an engine does that has no answer
        if (world.wait_answered(token)) ++survived;
        world.teardown(token, "web");
        world.wait_torn_down(token);
        for (auto& [known, process] : world.processes) {
            if (!process.status) world.wait_exit(known);
            CHECK(is_gone(process.pid));
        }
        for (const ipc::Token known : {token, token | ipc::kStubBit}) world.acknowledge(known);
    }
    CHECK(survived > 0);
    world.start(100, "web");
    world.wait_started(100);
    // What was never registered has ended too: the jailer, the service and its jail's init are
    // left.
    world.wait_children(3);
}

/// A world whose plugins hang over every plan.
struct HangingWorld : JailerWorld {
    HangingWorld() {
        const std::string plugins = root + "/plugins";
        REQUIRE(sys::make_directories(plugins));
        const auto built = sys::program_directory();
        REQUIRE(built);
        for (const auto& entry : std::filesystem::directory_iterator(places.plugins)) {
            std::filesystem::copy_file(entry.path(), plugins / entry.path().filename());
        }
        std::filesystem::copy_file(*built + "/plugins/hang.so", plugins + "/hang.so");
        REQUIRE(::chmod((plugins + "/hang.so").c_str(), 0755) == 0);
        places.plugins = plugins;
        write_unit("web", kTrue);
        start_jailer();
    }
};

TEST_CASE("jailer: a plan that hangs costs its start, and is given up", "[jail][S1.12]") {
    if (skipped_without_root()) return;
    HangingWorld world;
    world.start(1, "web");
    SECTION("after its time") {
        const auto failure = world.wait_failed(1);
        CHECK(ipc::get_text(failure.operation) == "plan");
        CHECK(ipc::get_text(failure.text).find("hang") != std::string_view::npos);
    }
    SECTION("at once when the unit is torn down meanwhile") {
        const auto before = std::chrono::steady_clock::now();
        world.teardown(1, "web");
        world.wait_torn_down(1);
        CHECK(world.wait_failed(1).code == ECANCELED);
        CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(4));
    }
    SECTION("while others are answered") {
        CHECK(world.count_processes("web") == 0);
        CHECK(world.failed.empty());
    }
    SECTION("with the jailer that waited for it") {
        (void)world.count_processes("web");
        world.kill_jailer();
        world.wait_children(0);
        world.start_jailer();
        world.start(1, "web");
        CHECK(ipc::get_text(world.wait_failed(1).operation) == "plan");
    }
    CHECK(world.processes.empty());
}

TEST_CASE("jailer: a jail serves one run, whatever died in between", "[jail][chaos]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.write_unit("web",
                     "[service]\nexec_start_pre = [\"/bin/true\"]\n"
                     "exec_start = [\"/bin/true\"]\n");
    world.start_jailer();
    world.start(1, "web", ipc::Purpose::kStartPre);
    world.wait_started(1);
    CHECK(world.wait_exit(1) == 0);
    const pid_t init = world.processes.at(1 | ipc::kStubBit).pid;
    const auto next_jailer = [&](ipc::Token acknowledged) {
        world.acknowledge(acknowledged);
        world.kill_jailer();
        world.start_jailer();
    };
    next_jailer(1);
    world.start(2, "web");  // the run that began with the first start: in its jail
    world.wait_started(2);
    CHECK(world.wait_exit(2) == 0);
    CHECK_FALSE(is_gone(init));
    CHECK_FALSE(world.processes.contains(2 | ipc::kStubBit));
    next_jailer(2);
    SECTION("another run has a jail of its own") {
        world.start(3, "web");
        world.wait_started(3);
        CHECK(is_gone(init));
        CHECK(world.processes.contains(3 | ipc::kStubBit));
    }
    SECTION("what follows the end of the run is in its jail") {
        world.write_unit("web",
                         "[service]\nexec_start = [\"/bin/true\"]\n"
                         "exec_stop_post = [\"/bin/true\"]\n");
        world.start(3, "web", ipc::Purpose::kStopPost);
        CHECK(ipc::get_text(world.wait_failed(3).text).find("no command") !=
              std::string_view::npos);  // the unit of that run, not today's, says what there is
        CHECK_FALSE(is_gone(init));
    }
    world.teardown(2, "web");
    world.wait_torn_down(2);
    CHECK(world.kept_units() == 0);
}

TEST_CASE("jailer: a teardown ends what a service left behind, in every profile", "[jail][S0.17]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    const bool host = GENERATE(false, true);
    world.write_unit("web", host ? kHostSleep
                                 : "[service]\nexec_start = [\"/bin/sh\", \"-c\", "
                                   "\"sleep 1000 & sleep 1000; true\"]\n");
    world.start_jailer();
    world.start(1, "web");
    world.wait_started(1);
    const auto count = [&] { return world.count_processes("web"); };
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (count() != 3 && std::chrono::steady_clock::now() < deadline) {
    }
    REQUIRE(count() == 3);  // the shell and its two children
    CHECK(world.stats->pss_kib > 0);
    world.send(signal_of(1, "web", SIGKILL, ipc::Whom::kProcess));
    CHECK(world.wait_exit(1) == SIGKILL);
    CHECK(count() == 2);
    world.teardown(1, "web");
    world.wait_torn_down(1);
    CHECK(count() == 0);
}

TEST_CASE("jailer: a process that left its session is found by its environment", "[jail][S0.17]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    // Orphaned, in a session of its own: neither parents nor session lead there.
    world.write_unit("web",
                     "[service]\nexec_start = [\"/bin/sh\", \"-c\", "
                     "\"(setsid sh -c 'setsid sleep 1000 & exit' &) ; exec sleep 1000\"]\n"
                     "[jail]\nprofile = \"host\"\n");
    world.write_unit("other", kHostSleep);
    world.start_jailer();
    world.start(1, "web");
    world.start(2, "other");
    world.wait_started(1);
    const pid_t other = world.wait_started(2).pid;
    // Processes on the way there may be counted in between.
    const auto await_count = [&](std::uint64_t wanted) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (world.count_processes("web") != wanted) {
            if (std::chrono::steady_clock::now() > deadline) FAIL("there are never " << wanted);
        }
    };
    await_count(2);
    if (GENERATE(false, true)) {
        world.kill_jailer();
        world.start_jailer();
        await_count(2);
    }
    world.send(signal_of(1, "web", SIGKILL, ipc::Whom::kProcess));
    CHECK(world.wait_exit(1) == SIGKILL);
    await_count(1);
    world.teardown(1, "web");
    world.wait_torn_down(1);
    CHECK(world.count_processes("web") == 0);
    CHECK_FALSE(is_gone(other));  // a unit of the same profile is another's
}

TEST_CASE("jailer: a signal to all reaches every process of the jail", "[jail]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    const bool host = GENERATE(false, true);
    const std::string profile = host ? "[jail]\nprofile = \"host\"\n" : "";
    world.write_unit("web", std::string(kSleep) + profile);
    world.start_jailer();
    world.start(1, "web");
    world.wait_started(1);
    world.send(signal_of(1, "web", SIGTERM, ipc::Whom::kAll));
    CHECK(world.wait_exit(1) == SIGTERM);
    if (!host) CHECK_FALSE(is_gone(world.processes.at(1 | ipc::kStubBit).pid));
}

TEST_CASE("jailer: a command runs in the jail for root alone", "[jail]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.write_unit("web", kSleep);
    world.start_jailer();
    world.start(1, "web");
    world.wait_started(1);
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd out(ends[0]);
    Fd in(ends[1]);
    using namespace std::string_literals;
    exec_as(world, 65534, 2, "echo\0hello\0"s, in.get());
    CHECK(world.wait_failed(2).code == EPERM);
    CHECK_FALSE(world.processes.contains(2));
    exec_as(world, 0, 3, "sh\0-c\0echo $$ $0\0jail\0"s, in.get());
    world.wait_started(3);
    CHECK(world.wait_exit(3) == 0);
    in = Fd();
    char text[64] = {};
    REQUIRE(::read(out.get(), text, sizeof text - 1) > 0);
    CHECK(std::string(text).ends_with("jail\n"));
    CHECK(std::stoi(text) < 100);  // a pid of the jail's own namespace
}

TEST_CASE("jailer: a plan is told without anything being made", "[jail][S1.12]") {
    if (skipped_without_root()) return;
    JailerWorld world;
    world.write_unit("web", kTrue);
    world.start_jailer();
    auto request = ipc::make<ipc::PlanRequest>();
    for (const char* unit : {"web", "absent"}) {
        ++request.serial;
        ipc::set_text(request.unit, unit);
        world.send(request);
    }
    world.wait_until([&] { return world.plans.size() == 2; }, "the plans came");
    for (const auto& [reply, text] : world.plans) {
        CHECK((reply.ok == 1) == (reply.serial == 1));
        CHECK_FALSE(text.empty());
    }
    CHECK(world.processes.empty());
}
