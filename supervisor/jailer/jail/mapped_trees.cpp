#include "jailer/jail/mapped_trees.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/sys.hpp"
#include "jailer/child/raw_calls.hpp"
#include "jailer/plan/id_range.hpp"

namespace jailsvc::jailer {
namespace {

std::string to_text(const IdLines& lines) {
    std::string text;
    for (const IdLine& line : lines) {
        text += fmt::format("{} {} {}\n", line.disk, line.shown, line.count);
    }
    return text;
}

/// A process whose user namespace lives as long as it does, or longer where it is held open. It
/// does nothing, and ends with us.
class Sleeper {
public:
    static Result<Sleeper> make() {
        Sleeper sleeper;
        int pidfd = -1;
        clone_args arguments{};
        arguments.flags = CLONE_NEWUSER | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
        arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
        const pid_t parent = ::getpid();
        const long pid = raw::call(SYS_clone3, &arguments, sizeof arguments);
        if (pid == 0) sleep(parent);
        if (pid < 0) return fail_errno("clone3", static_cast<int>(-pid));
        sleeper.pid_ = static_cast<pid_t>(pid);
        sleeper.pidfd_ = Fd(pidfd);
        return sleeper;
    }
    Sleeper(Sleeper&&) noexcept = default;
    Sleeper& operator=(Sleeper&&) = delete;
    ~Sleeper() {
        if (!pidfd_) return;
        (void)sys::pidfd_signal(pidfd_.get(), SIGKILL);
        siginfo_t info{};
        // __WALL: it was made without a signal at its end (waitid(2)).
        while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | __WALL) == -1 &&
               errno == EINTR) {
        }
    }
    [[nodiscard]] std::string file(const char* name) const {
        return fmt::format("/proc/{}/{}", pid_, name);
    }

private:
    Sleeper() = default;

    [[noreturn]] static void sleep(pid_t parent) noexcept {
        raw::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (raw::call(SYS_getppid) != parent) raw::exit_now(0);
        for (;;) raw::call(SYS_pause);
    }

    pid_t pid_ = -1;
    Fd pidfd_;
};

}  // namespace

Result<Fd> make_id_mapping(const IdLines& uids, const IdLines& gids) {
    TRY(const Sleeper sleeper, Sleeper::make());
    TRY_VOID(sys::write_file(sleeper.file("uid_map"), to_text(uids)));
    TRY_VOID(sys::write_file(sleeper.file("gid_map"), to_text(gids)));
    return sys::open(sleeper.file("ns/user"), O_RDONLY);
}

Result<Fd> clone_mapped(int dir, int mapping) {
    constexpr unsigned kWhole = AT_EMPTY_PATH | AT_RECURSIVE;
    Fd tree(static_cast<int>(
        ::syscall(SYS_open_tree, dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | kWhole)));
    if (!tree) return fail_errno("open_tree");
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<std::uint64_t>(mapping);
    if (::syscall(SYS_mount_setattr, tree.get(), "", kWhole, &attributes, sizeof attributes) ==
        -1) {
        return fail_errno("mount_setattr");
    }
    return tree;
}

IdLines kept_lines(std::uint32_t keeper, std::uint32_t user, std::uint32_t range) {
    IdLines lines{{keeper, user, 1}};
    if (user > range) lines.push_back({range, range, user - range});
    const std::uint32_t above = range + kRangeSize - 1 - user;
    if (above > 0) lines.push_back({user + 1, user + 1, above});
    return lines;
}

}  // namespace jailsvc::jailer
