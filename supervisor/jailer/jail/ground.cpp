#include "jailer/jail/ground.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.hpp"
#include "jailer/child/child_fs.hpp"
#include "jailer/child/raw_calls.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/mount_query.hpp"
#include "jailer/plugin/worker_process.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::uint64_t kBytes = 4096;
constexpr int kPatienceMs = 10000;
constexpr std::size_t kMostBelow = 2;  ///< mounts of ours below a jail's root: scratch and ground
constexpr std::string_view kOwn = "jailsvc";
constexpr unsigned long kRecursivePrivate = 16384 | 1UL << 18;  // MS_REC | MS_PRIVATE
constexpr int kDetach = 2;                                      // MNT_DETACH

/// A jail whose init starts here makes its device nodes itself: the host's, which it would bind
/// where it may not make any, are out of its reach.
int try_nodes() {
    const raw::Handle dev(new_tmpfs(kBytes, 0755, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
    return dev.ok() ? make_nodes(dev.get(), false) : dev.get();
}

/// In a process of its own, whose namespace becomes the ground: 0 or a negative errno.
int clear_namespace(const char* stage) {
    long code = raw::call(SYS_unshare, CLONE_NEWNS);
    if (code >= 0) code = raw::call(SYS_mount, nullptr, "/", nullptr, kRecursivePrivate, nullptr);
    if (code >= 0) code = try_nodes();
    if (code < 0) return static_cast<int>(code);
    const int mount = new_tmpfs(
        kBytes, 0555, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (mount < 0) return mount;
    const int target =
        raw::openat2(AT_FDCWD, stage, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_MAGICLINKS);
    if (target < 0) return target;
    code = attach(mount, target);
    if (code >= 0) code = raw::call(SYS_fchdir, mount);
    if (code >= 0) code = raw::call(SYS_pivot_root, ".", ".");
    if (code >= 0) code = raw::call(SYS_umount2, ".", kDetach);
    if (code >= 0) code = raw::call(SYS_chdir, "/");
    return static_cast<int>(code);
}

/// Then stays until it is killed, so that somebody can open the namespace.
void make_ground(const char* stage, int tell) {
    const int code = clear_namespace(stage);
    raw::call(SYS_write, tell, &code, sizeof code);
    for (;;) ::pause();
}

Result<int> read_code(int from) {
    pollfd waiting{.fd = from, .events = POLLIN, .revents = 0};
    int polled = 0;
    do {
        polled = ::poll(&waiting, 1, kPatienceMs);
    } while (polled == -1 && errno == EINTR);
    if (polled == -1) return fail_errno("poll");
    if (polled == 0) return fail_errno("its process", ETIMEDOUT);
    int code = 0;
    const ssize_t count = ::read(from, &code, sizeof code);
    if (count == -1) return fail_errno("read");
    if (count != sizeof code) return fail("its process ended");
    return code;
}

bool is_own(const MountFacts& facts) {
    return facts.magic == TMPFS_MAGIC && facts.source == kOwn;
}

JailFailure unread(const Error& error) {
    return failed(kStepPivot, error.message, error.code);
}

/// How many file systems of ours the jail's root lies on: the ground, and what its files and masks
/// are in.
Result<std::size_t> count_own_below(std::uint64_t mount_namespace, int root) {
    TRY(const std::uint64_t mount, mount_of(root));
    TRY(MountFacts facts, read_mount(mount_namespace, mount));
    for (std::size_t below = 0; below < kMostBelow; ++below) {
        TRY(facts, read_mount(mount_namespace, facts.parent));
        if (!is_own(facts)) return below;
    }
    return kMostBelow;
}

}  // namespace

Result<Ground> Ground::make(const std::string& stage) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) == -1) return fail_errno("pipe");
    const Fd ours(ends[0]);
    Fd theirs(ends[1]);
    TRY(const WorkerProcess maker,
        WorkerProcess::start([&] { make_ground(stage.c_str(), theirs.get()); }, {theirs.get()}));
    theirs = Fd();
    TRY(const int code, read_code(ours.get()));
    if (code < 0) return fail_errno("an empty mount namespace", -code);
    const std::string directory = fmt::format("/proc/{}", maker.pid());
    TRY(Fd opened, sys::open(directory + "/ns/mnt", O_RDONLY));
    TRY(const Fd root, sys::open(directory + "/root", O_PATH | O_DIRECTORY));
    TRY(const std::uint64_t number, mount_namespace_number(opened.get()));
    TRY_VOID(list_mounts(number, 1));
    TRY(const std::uint64_t mount, mount_of(root.get()));
    TRY(const MountFacts facts, read_mount(number, mount));
    if (!is_own(facts)) return fail("statmount tells no source; Linux 6.13 does");
    return Ground(std::move(opened));
}

std::optional<JailFailure> attest_nothing_hidden(const JailView& view) {
    const auto opened = sys::open(fmt::format("/proc/{}/ns/mnt", view.stub()), O_RDONLY);
    if (!opened) return unread(opened.error());
    const auto number = mount_namespace_number(opened->get());
    if (!number) return unread(number.error());
    const auto below = count_own_below(*number, view.root());
    if (!below) return unread(below.error());
    const std::size_t known = view.table().entries().size() + *below;
    const auto mounts = list_mounts(*number, known);
    if (mounts) return std::nullopt;
    if (mounts.error().code != E2BIG) return unread(mounts.error());
    return not_held(kStepPivot,
                    "more is mounted in the jail than its root shows: something of the "
                    "host's lies below that");
}

bool stands_on_ground(const SpawnContext& context, const CompiledPlan& plan) {
    const std::uint64_t namespaces = plan.namespaces();
    return context.ground && (namespaces & CLONE_NEWNS) != 0 && (namespaces & CLONE_NEWUSER) == 0 &&
           plan.find(JSV_OP_ROOT) != nullptr && plan.find(JSV_OP_VIEW) == nullptr;
}

}  // namespace jailsvc::jailer
