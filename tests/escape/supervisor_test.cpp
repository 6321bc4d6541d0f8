// Ways into the supervisor, and through it: links planted for the next start, an engine or a client
// that lies, the terminal of whoever looks into a jail.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>

#include "attack.hpp"
#include "base/sys.hpp"
#include "jail/jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
using namespace std::string_literals;

#define NEED_ROOT \
    if (!can_jail()) return

namespace {

constexpr uid_t kNobody = 65534;

/// As `jailsvc exec meant -- words`, whose socket the engine hands over for `told`.
void exec_in(JailerWorld& world, ipc::Token token, const std::string& meant,
             const std::string& told, const std::string& words, int stdio) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd client(ends[0]), passed(ends[1]);
    const int on = 1;
    for (const int end : ends) {
        REQUIRE(::setsockopt(end, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    }
    ipc::ExecRequest head{ipc::ExecRequest::kMagic,
                          static_cast<std::uint32_t>(std::ranges::count(words, '\0')),
                          0,
                          {},
                          0,
                          0};
    ipc::set_text(head.unit, meant);
    const std::string bytes =
        std::string(reinterpret_cast<const char*>(&head), sizeof head) + words;
    const int fds[3] = {stdio, stdio, stdio};
    REQUIRE(ipc::send_raw(client.get(), bytes.data(), bytes.size(), fds, 3) == 0);
    auto message = ipc::make<ipc::Exec>();
    message.token = token;
    ipc::set_text(message.unit, told);
    const int fd = passed.get();
    world.send(message, &fd, 1);
}

/// A packet of that type with everything but its header left to chance, and a unit that exists,
/// that does not, or that is no name at all.
template <ipc::Message T>
void send_garbage(JailerWorld& world, std::mt19937& chance) {
    T message{};
    auto* bytes = reinterpret_cast<unsigned char*>(&message);
    for (std::size_t i = 0; i < sizeof message; ++i)
        bytes[i] = static_cast<unsigned char>(chance());
    message.header = ipc::make<T>().header;
    if constexpr (requires { message.unit; }) {
        constexpr const char* kUnits[] = {"web",       "absent", "../../etc/passwd",
                                          "web@../..", "",       "."};
        const std::size_t pick = chance() % (std::size(kUnits) + 1);
        if (pick < std::size(kUnits)) ipc::set_text(message.unit, kUnits[pick]);
    }
    world.send(message);
}

const std::string kSleep = "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n";

}  // namespace

TEST_CASE("escape: a link planted where a bind comes from is not followed", "[escape][E3][E9]") {
    NEED_ROOT;
    Attack attack;
    const std::string home = attack.site().directory() + "/open/app";
    REQUIRE(::mkdir(home.c_str(), 0755) == 0);
    REQUIRE(::symlink("/etc", (home + "/data").c_str()) == 0);
    const std::string jail = "[jail.chroot]\nbinds_ro = [\"" + home + "/data:/mnt\"]\n";
    REQUIRE(::lchown((home + "/data").c_str(), kNobody, kNobody) == 0);
    const Ran planted = attack.site().run(jail, "cat /mnt/passwd");
    CHECK(planted.error.find("belongs to somebody other than root") != std::string::npos);
    CHECK(planted.output == "");
    // Root's own link is the administrator's business.
    REQUIRE(::lchown((home + "/data").c_str(), 0, 0) == 0);
    const Ran own = attack.site().run(jail, "cat /mnt/passwd");
    CHECK(own.error == "");
    CHECK(own.has("root:"));
    // A link further up is one too, and so is one that root's link leads to.
    REQUIRE(::symlink((home + "/mine").c_str(), (home + "/chain").c_str()) == 0);
    REQUIRE(::symlink("/", (home + "/mine").c_str()) == 0);
    REQUIRE(::lchown((home + "/mine").c_str(), kNobody, kNobody) == 0);
    for (const char* way : {"/mine/etc", "/chain/etc"}) {
        const Ran through = attack.site().run(
            "[jail.chroot]\nbinds_ro = [\"" + home + way + ":/mnt\"]\n", "cat /mnt/passwd");
        CHECK(through.error.find("belongs to somebody other than root") != std::string::npos);
    }
}

TEST_CASE("escape: a state directory swapped for a link is refused, not handed over",
          "[escape][E5][E9]") {
    NEED_ROOT;
    Attack attack;
    const std::string state = attack.site().places().state_root;
    const std::string victim = attack.site().directory() + "/open/victim";
    REQUIRE(::mkdir(victim.c_str(), 0755) == 0);
    const std::string jail = "[jail.chroot]\nstate_directory = [\"app\", \"app/cache\"]\n";
    REQUIRE(attack.site().run(jail, "true").error == "");
    const std::string cache = state + "/app/cache";
    struct stat info{};
    REQUIRE(::stat(cache.c_str(), &info) == 0);
    CHECK(info.st_uid != 0);  // the control: what is a directory is handed over
    REQUIRE(::rmdir(cache.c_str()) == 0);
    REQUIRE(::symlink(victim.c_str(), cache.c_str()) == 0);
    CHECK(attack.site().run(jail, "true").error != "");
    REQUIRE(::stat(victim.c_str(), &info) == 0);
    CHECK(info.st_uid == 0);
}

TEST_CASE("escape: the jail's init cannot be overwritten through /proc", "[escape][E1]") {
    NEED_ROOT;
    JailerWorld world;
    const Attack attack;
    const std::string& program = attack.program();
    // CAP_SYS_PTRACE opens /proc/1/exe, which no other uid 0 may.
    const auto unit = [&](const std::string& trick) {
        return "[service]\nexec_start = [\"" + program + "\", \"" + trick +
               "\", \"/proc/1/exe\"]\n" + root_with("sys_ptrace");
    };
    world.write_unit("writer", unit("opens-for-writing"));
    world.write_unit("reader", unit("opens-for-reading"));
    world.start_jailer();
    world.start(1, "writer");
    world.wait_started(1);
    CHECK(WEXITSTATUS(world.wait_exit(1)) == ETXTBSY);
    world.start(2, "reader");
    world.wait_started(2);
    CHECK(world.wait_exit(2) == 0);
    // ETXTBSY lasts as long as a process of the file. What is read-only for ever is its mount.
    struct statvfs info{};
    const pid_t init = world.processes.at(2 | ipc::kStubBit).pid;
    REQUIRE(::statvfs(("/proc/" + std::to_string(init) + "/exe").c_str(), &info) == 0);
    CHECK((info.f_flag & ST_RDONLY) != 0);
    REQUIRE(::statvfs(world.places.stub.c_str(), &info) == 0);
    CHECK((info.f_flag & ST_RDONLY) == 0);
}

TEST_CASE("escape: root's command runs in the jail that root named, or not at all",
          "[escape][E37]") {
    NEED_ROOT;
    JailerWorld world;
    world.write_unit("web", kSleep);
    world.write_unit("open", kSleep + kHost);
    world.start_jailer();
    world.start(1, "web");
    world.start(2, "open");
    world.wait_started(1);
    world.wait_started(2);
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    // An engine that lies about the unit.
    exec_in(world, 3, "web", "open", "/bin/true\0"s, null.get());
    CHECK(world.wait_failed(3).code == EPERM);
    CHECK_FALSE(world.processes.contains(3));
    exec_in(world, 4, "web", "web", "/bin/true\0"s, null.get());
    world.wait_started(4);
    CHECK(world.wait_exit(4) == 0);
}

TEST_CASE("escape: whatever an engine says, the jailer runs what root's files say, and goes on",
          "[escape][E36][S2.2]") {
    NEED_ROOT;
    JailerWorld world;
    world.write_unit("web", kSleep);
    world.start_jailer();
    std::mt19937 chance(20240607);
    for (int round = 0; round < 100; ++round) {
        send_garbage<ipc::Start>(world, chance);
        send_garbage<ipc::Signal>(world, chance);
        send_garbage<ipc::Teardown>(world, chance);
        send_garbage<ipc::Forget>(world, chance);
        send_garbage<ipc::PlanRequest>(world, chance);
        send_garbage<ipc::Exec>(world, chance);
        send_garbage<ipc::ReloadUnits>(world, chance);
        // Of the keeper's messages, which are not the engine's to send.
        send_garbage<ipc::Peer>(world, chance);
        send_garbage<ipc::Stored>(world, chance);
        send_garbage<ipc::Alive>(world, chance);
        (void)world.count_processes("web");  // it has taken them all
    }
    // No digest was the unit's own, so nothing ran; with it, the unit does.
    CHECK(world.processes.empty());
    world.start(7, "web");
    world.wait_started(7);
    CHECK(world.processes.contains(7));
}

TEST_CASE("escape: nothing is typed into the terminal that a command was given", "[escape][E23]") {
    NEED_ROOT;
    const Fd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(terminal);
    REQUIRE(::grantpt(terminal.get()) == 0);
    REQUIRE(::unlockpt(terminal.get()) == 0);
    const Fd inner(::open(::ptsname(terminal.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(inner);
    JailerWorld world;
    const Attack attack;
    const std::string& program = attack.program();
    world.write_unit("web", kSleep);
    world.start_jailer();
    world.start(1, "web");
    world.wait_started(1);
    exec_in(world, 2, "web", "web", program + "\0pushes-input\0"s, inner.get());
    world.wait_started(2);
    CHECK(WEXITSTATUS(world.wait_exit(2)) == EPERM);
    // The leader of the terminal's session may, unless the kernel forbids it to all.
    const pid_t leader = ::fork();
    if (leader == 0) {
        if (::setsid() < 0 || ::dup2(inner.get(), 0) < 0 || ::ioctl(0, TIOCSCTTY, 0) < 0)
            ::_exit(99);
        if (::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(99);
        ::_exit(::ioctl(0, TIOCSTI, "x") == 0 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(leader, &status, 0) == leader);
    if (WEXITSTATUS(status) == 1) {
        WARN("skipped: the control: dev.tty.legacy_tiocsti is off");
        return;
    }
    CHECK(status == 0);
}
