#include "jailer/jail/ground.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include <catch2/catch.hpp>

#include "base/sys.hpp"
#include "jail_fixture.hpp"
#include "jailed.hpp"
#include "jailer/jail/mount_query.hpp"
#include "jailer/plugin/worker_process.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;
using namespace jailsvc::jailer::test;

namespace {

constexpr std::size_t kMany = 4096;

/// Mounts of a process's namespace that its own mountinfo does not show.
std::ptrdiff_t count_hidden(pid_t pid) {
    const auto opened = sys::open("/proc/" + std::to_string(pid) + "/ns/mnt", O_RDONLY);
    REQUIRE(opened);
    const auto number = mount_namespace_number(opened->get());
    REQUIRE(number);
    const auto mounts = list_mounts(*number, kMany);
    REQUIRE(mounts);
    const auto view = JailView::open(pid);
    REQUIRE(view);
    return std::ssize(*mounts) - std::ssize(view->table().entries());
}

/// A small tmpfs over a directory of the test's own, on the host.
class HostMount {
public:
    explicit HostMount(std::string at) : at_(std::move(at)) {
        constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        REQUIRE(::mount("test", at_.c_str(), "tmpfs", kFlags, "size=64k") == 0);
    }
    HostMount(const HostMount&) = delete;
    HostMount& operator=(const HostMount&) = delete;
    ~HostMount() { ::umount2(at_.c_str(), MNT_DETACH); }

private:
    std::string at_;
};

/// In a namespace of its own: a copy of the host's tree over the host's tree, as a jail's init
/// would have it that had not gone to the ground before.
void cover_host(int tell) {
    char state = 'f';
    if (::unshare(CLONE_NEWNS) == 0 &&
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) {
        const auto tree =
            static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | O_CLOEXEC));
        const bool covered = tree >= 0 &&
                             ::syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", 4) == 0 &&
                             ::fchdir(tree) == 0 && ::chroot(".") == 0;
        if (covered) state = 'c';
    }
    if (::write(tell, &state, 1) != 1) return;
    for (;;) ::pause();
}

/// What a process that may do everything finds, as one byte.
char found_by(const std::function<char()>& look, std::vector<int> kept = {}) {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd ours(ends[0]);
    Fd theirs(ends[1]);
    kept.push_back(theirs.get());
    auto worker = WorkerProcess::start(
        [&] {
            const char found = look();
            if (::write(theirs.get(), &found, 1) != 1) ::_exit(1);
        },
        kept);
    theirs = Fd();
    REQUIRE(worker);
    REQUIRE(worker->wait(std::chrono::seconds(20)));
    char found = 0;
    return ::read(ours.get(), &found, 1) == 1 ? found : 'f';
}

/// The same of one that has joined a jail's mounts.
char found_in(pid_t stub, const std::function<char(int mounts)>& look) {
    const auto mounts = sys::open("/proc/" + std::to_string(stub) + "/ns/mnt", O_RDONLY);
    REQUIRE(mounts);
    const auto joined = [&] {
        return ::setns(mounts->get(), CLONE_NEWNS) == 0 ? look(mounts->get()) : 'f';
    };
    return found_by(joined, {mounts->get()});
}

/// Out of a chroot by a working directory above it, the classic way (chroot(2), NOTES).
char climb(int /*mounts*/) {
    if (::mkdir("/tmp/inside", 0700) == -1 || ::chroot("/tmp/inside") == -1) return 'f';
    for (int i = 0; i < 64; ++i) {
        if (::chdir("..") == -1) return 'f';
    }
    // The directory was made in the jail's own /tmp.
    return ::access("tmp/inside", F_OK) == 0 ? 'j' : 'o';
}

/// Takes the root away, and joins the namespace again to see what was below it.
char dig(int mounts) {
    if (::umount2("/", MNT_DETACH) == -1) return 'k';
    if (::setns(mounts, CLONE_NEWNS) == -1) return 'f';
    return ::access("/etc", F_OK) == -1 && ::access("/usr", F_OK) == -1 ? 'e' : 'h';
}

}  // namespace

#define REQUIRE_GROUND()                                                                \
    REQUIRE_JAILS();                                                                    \
    if (!spawn_context().ground) {                                                      \
        WARN("skipped: this kernel does not tell what lies below a root (Linux 6.13)"); \
        return;                                                                         \
    }

TEST_CASE("ground: below a jail's root is nothing of the host's", "[jail][ground]") {
    REQUIRE_GROUND();
    Jail jail(default_plan());
    REQUIRE(jail.stands());
    CHECK(count_hidden(jail.stub()) == 2);  // the ground, and the tmpfs of files and masks
    const auto view = JailView::open(jail.stub());
    REQUIRE(view);
    CHECK_FALSE(attest_nothing_hidden(*view));
}

TEST_CASE("ground: a root that lies on the host's tree is refused", "[jail][ground]") {
    REQUIRE_GROUND();
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    auto worker = WorkerProcess::start([&] { cover_host(theirs.get()); }, {theirs.get()});
    REQUIRE(worker);
    char state = 0;
    REQUIRE(::read(ours.get(), &state, 1) == 1);
    REQUIRE(state == 'c');
    const auto view = JailView::open(worker->pid());
    REQUIRE(view);
    REQUIRE(view->table().entries().size() == 1);  // all that its own mountinfo tells
    const auto verdict = attest_nothing_hidden(*view);
    REQUIRE(verdict);
    CHECK(verdict->op == kStepPivot);
    CHECK(verdict->text.find("something of the host's lies below") != std::string::npos);
    CHECK(found_in(worker->pid(), dig) == 'h');  // for it is there
}

TEST_CASE("ground: with every capability there is no way from a jail's root to the host's",
          "[jail][ground][S0.10]") {
    REQUIRE_GROUND();
    Jail jail(default_plan());
    REQUIRE(jail.stands());
    REQUIRE(found_in(jail.stub(), [](int) { return ::access("/etc", F_OK) == 0 ? 'y' : 'n'; }) ==
            'y');
    SECTION("not by climbing out of a chroot") {
        CHECK(found_in(jail.stub(), climb) == 'j');
        const TempDirectory bare;
        std::filesystem::create_directory(bare.path() + "/tmp");
        const auto climb_from_bare = [&] {
            return ::chroot(bare.path().c_str()) == 0 ? climb(-1) : 'f';
        };
        CHECK(found_by(climb_from_bare) == 'o');
    }
    SECTION("nor by taking the root away: what is below it is empty") {
        const char found = found_in(jail.stub(), dig);
        CAPTURE(found);
        CHECK((found == 'e' || found == 'k'));  // k: the kernel keeps the root
    }
}

TEST_CASE("ground: where the kernel tells too little, jails are made by pivot_root",
          "[jail][ground]") {
    REQUIRE_GROUND();
    SpawnContext context = spawn_context();
    context.ground = nullptr;
    auto compiled = CompiledPlan::make(default_plan());
    REQUIRE(compiled);
    auto stub = spawn_stub(context, *compiled, {});
    REQUIRE(stub);
    CHECK(await_report(*compiled, *stub).kind == Report::Kind::kReady);
    CHECK(attest_jail(context, *compiled, {}, stub->pid));
    CHECK(count_hidden(stub->pid) <= 0);
    CHECK(attest_jail(spawn_context(), *compiled, {}, stub->pid));  // as after an upgrade
    REQUIRE(sys::pidfd_signal(stub->pidfd.get(), SIGKILL));
    (void)await_end(*stub);
}

TEST_CASE("ground: a jail shows the host as it is at its start, not as it was at the jailer's",
          "[jail][ground]") {
    REQUIRE_GROUND();
    const TempDirectory folder;
    const auto write = [&](const char* text) {
        std::filesystem::create_directory(folder.path() + "/shown");
        std::ofstream(folder.path() + "/shown/text") << text;
    };
    Plan plan = default_plan();
    const auto after = std::ranges::find(plan.ops, JSV_OP_FILE, &Op::kind);
    plan.ops.insert(after,
                    make_op(JSV_OP_BIND, {.flags = JSV_MOUNT_CREATE | JSV_MOUNT_READ_ONLY,
                                          .text = {folder.path() + "/shown", "/run/shown"}}));
    const auto seen = [&] {
        Jail jail(plan);
        REQUIRE(jail.stands());
        const auto text =
            sys::read_file("/proc/" + std::to_string(jail.stub()) + "/root/run/shown/text");
        REQUIRE(text);
        return *text;
    };
    write("first");
    CHECK(seen() == "first");
    SECTION("a source that was replaced is the new one") {
        std::filesystem::rename(folder.path() + "/shown", folder.path() + "/old");
        write("second");
        CHECK(seen() == "second");
    }
    SECTION("a file system mounted over the source is what shows") {
        {
            const HostMount over(folder.path() + "/shown");
            write("mounted");
            CHECK(seen() == "mounted");
        }
        CHECK(seen() == "first");
    }
}

TEST_CASE("ground: what is mounted on the host or in a jail does not show in the other",
          "[jail][ground]") {
    REQUIRE_GROUND();
    const TempDirectory folder;
    Jail jail(default_plan());
    REQUIRE(jail.stands());
    const auto before = count_hidden(jail.stub());
    const auto shown = JailView::open(jail.stub())->table().entries().size();
    const HostMount mount(folder.path());
    CHECK(JailView::open(jail.stub())->table().entries().size() == shown);
    CHECK(count_hidden(jail.stub()) == before);
}
