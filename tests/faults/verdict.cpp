#include "verdict.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>

namespace jailsvc::faults {
namespace {

constexpr int kAny = 0;
constexpr int kWhatever = -1;  ///< for a call's number
constexpr const char* kUnit = "probe";

struct Known {
    Role role;
    int number;
    int error;
    const char* why;
    /// A part of what the call is about; "=" before the whole of it, "$" behind its end.
    std::string_view path{};
    bool differs = false;             ///< the jail is another then, and that is right
    bool Scenario::* only = nullptr;  ///< in these scenarios
};

constexpr const char* kAgain = "is tried again";
constexpr const char* kGroup = "the group tells which processes are the jail's, not the session";
constexpr const char* kTrash = "what was thrown away before is still there, which is logged";
constexpr const char* kPool = "a network namespace is made when it is needed";
constexpr const char* kNames = "libnftables looks for names of marks, groups and the like";
constexpr const char* kLinks = "interfaces, addresses and rules are read back";
constexpr const char* kExits = "libnftables ends a process whose netlink socket fails";
constexpr const char* kGuard = "libsodium guards memory as far as it can";
constexpr const char* kTold = "the limit holds; that it is reached is not told, which is logged";
constexpr const char* kNoList = "lists of devices that no unit asked for are not to be had here";
constexpr const char* kSlice = "is a matter of speed";

constexpr Known kHarmless[] = {
    {Role::kJailer, SYS_epoll_wait, EINTR, kAgain},
    {Role::kJailer, SYS_epoll_ctl, kAny, "the watch is tried again, see IoWatch"},
    {Role::kJailer, SYS_recvmsg, kAny, "the socket stays readable"},
    {Role::kJailer, SYS_sendmsg, kAny, "the packet is queued"},
    {Role::kJailer, SYS_sendto, EINTR, kAgain},
    {Role::kJailer, SYS_read, EINTR, kAgain},
    {Role::kJailer, SYS_write, EINTR, kAgain},
    {Role::kJailer, SYS_waitid, EINTR, kAgain},
    {Role::kJailer, SYS_ioctl, kAny, "the exec that waits is looked for again", "seccomp notify"},
    {Role::kJailer, SYS_newfstatat, kAny, "what cannot be looked at is opened", ".toml"},
    {Role::kJailer, SYS_poll, kAny, "the exec that waits is looked for again"},
    {Role::kJailer, SYS_open_tree, kAny, "the jail's init makes the mount", "/run/notify/"},
    {Role::kJailer, SYS_getsockopt, kAny, "what cannot be asked is taken for listening", "", false,
     &Scenario::listens},
    {Role::kJailer, SYS_fcntl, kAny, "a socket stays as its last run has left it", "", false,
     &Scenario::listens},
    {Role::kJailer, SYS_rmdir, kAny, kAgain, "/probe.unit"},
    {Role::kJailer, SYS_openat, kAny, kGroup, "/stat"},
    {Role::kJailer, SYS_read, kAny, kGroup, "/stat"},
    {Role::kInit, SYS_wait4, kAny, kAgain},
    {Role::kInit, SYS_rt_sigtimedwait, kAny, kAgain},
    {Role::kProgram, SYS_read, EINTR, kAgain},
    {Role::kProgram, SYS_sendto, EINTR, kAgain},
    {Role::kProgram, SYS_sched_getattr, kAny, kSlice},
    {Role::kProgram, SYS_sched_setattr, kAny, kSlice},
    {Role::kStub, SYS_sendto, EINTR, kAgain},
    {Role::kStub, SYS_read, EINTR, kAgain},
    {Role::kStub, SYS_mknodat, EPERM, "the host's own device is bound instead", "", true},
    {Role::kJailer, SYS_newfstatat, kAny, "is ended both ways then, see kill_everything", "ns/pid"},
    {Role::kJailer, SYS_access, kAny, "is made anew", "/probe.unit"},
    {Role::kJailer, SYS_openat, kAny, kTold, "/memory.oom_control"},
    {Role::kJailer, SYS_openat, kAny, kTold, "/cgroup.event_control"},
    {Role::kJailer, SYS_eventfd2, kAny, kTold},
    {Role::kJailer, SYS_getdents64, kAny, kTrash, "/state/run/trash"},
    {Role::kJailer, SYS_openat, kAny, kTrash, "/state/run/trash"},
    {Role::kJailer, SYS_openat, kAny, kTrash, "=."},
    {Role::kJailer, SYS_newfstatat, kAny, kTrash, "/state/run/trash"},
    {Role::kJailer, SYS_fcntl, kAny, kTrash, "/state/run/trash"},
    {Role::kJailer, SYS_openat, kAny, kTold, "/pids.events"},
    {Role::kJailer, SYS_newfstatat, kAny, kTold, "/pids.events"},
    {Role::kJailer, SYS_read, kAny, kTold, "/pids.events"},
    {Role::kJailer, SYS_recvfrom, EINTR, kAgain},
    {Role::kHelper, SYS_getrandom, kAny, kGuard},
    {Role::kHelper, SYS_mprotect, kAny, kGuard},
    {Role::kHelper, SYS_mlock, kAny, kGuard},
    {Role::kHelper, SYS_munlock, kAny, kGuard},
    {Role::kHelper, SYS_read, EINTR, kAgain},
    {Role::kHelper, SYS_read, EAGAIN, kAgain},
    {Role::kHelper, SYS_write, EINTR, kAgain},
    {Role::kHelper, SYS_newfstatat, kAny, "the C library takes a buffer of another size"},
    {Role::kHelper, kWhatever, kAny, kPool, "", false, &Scenario::pools},
    {Role::kJailer, SYS_clone, kAny, kPool, "", false, &Scenario::pools},
    {Role::kJailer, SYS_openat, kAny, kNames, "/etc/", false, &Scenario::rules},
    {Role::kJailer, SYS_read, kAny, kNames, "/etc/", false, &Scenario::rules},
    {Role::kJailer, SYS_newfstatat, kAny, kNames, "/etc/", false, &Scenario::rules},
    {Role::kJailer, SYS_lseek, kAny, kNames, "/etc/", false, &Scenario::rules},
    {Role::kJailer, SYS_access, kAny, kLinks, "/proc/sys/net", false, &Scenario::rules},
    {Role::kJailer, SYS_sendto, kAny, kLinks, "", false, &Scenario::rules},
    {Role::kJailer, SYS_recvfrom, kAny, kLinks, "", false, &Scenario::rules},
    {Role::kJailer, SYS_setsockopt, kAny, kLinks, "", false, &Scenario::pools},
    {Role::kJailer, SYS_getsockopt, kAny, kLinks, "", false, &Scenario::rules},
    {Role::kJailer, SYS_socket, kAny, kLinks, "", false, &Scenario::rules},
    {Role::kJailer, SYS_unlink, kAny, kLinks, "/run/hosts/", false, &Scenario::rules},
    {Role::kProgram, SYS_landlock_create_ruleset, kAny, "what is denied is logged or not", "",
     false, &Scenario::probes},
    {Role::kProgram, SYS_connect, EPERM, "it is what the probe expects", "", false,
     &Scenario::probes},
    {Role::kJailer, SYS_newfstatat, kAny, "its interfaces are looked at all the same", "/ns/net"},
    {Role::kJailer, SYS_access, kAny, "the limits are read back", "/sys/fs/cgroup"},
    {Role::kJailer, SYS_access, kAny, "what may be absent is taken for there, and attested",
     "/run/accounts/"},
    {Role::kJailer, SYS_bpf, EPERM, kNoList},
    {Role::kJailer, SYS_openat, EPERM, kNoList, "/probe.unit$"},
    {Role::kJailer, SYS_mkdir, EPERM, "no groups are to be had here", "/sys/fs/cgroup", true},
};

/// The failed call is found out by what it left undone, and the message tells that.
constexpr Known kFoundOutLater[] = {
    {Role::kProgram, SYS_setsid, EPERM, "it means that there is a session already; attested"},
    {Role::kProgram, SYS_read, EAGAIN, "the gate is lost, and the process ends"},
    {Role::kHelper, kWhatever, kAny, "a plugin tells what it could not do", "", false,
     &Scenario::plans},
    {Role::kHelper, SYS_close_range, kAny, "the worker ends"},
    {Role::kHelper, SYS_prctl, kAny, "the worker ends"},
    {Role::kJailer, kWhatever, kAny, "the rules read back are others", "", false, &Scenario::rules},
    {Role::kHelper, kWhatever, kAny, "the rules read back are others", "", false, &Scenario::rules},
    {Role::kProgram, kWhatever, kAny, "what Landlock denies could not be tried", "", false,
     &Scenario::probes},
    {Role::kStub, SYS_statx, kAny, "what is not known to be the view's own is not made there"},
    {Role::kJailer, SYS_landlock_create_ruleset, kAny, "what was probed is more than expected"},
    {Role::kJailer, SYS_newfstatat, kAny, "what cannot be looked at is opened", ".toml.d"},
    {Role::kHelper, SYS_getrandom, kAny, "libsodium ends the process"},
    {Role::kJailer, SYS_waitid, EINTR, "how a helper ended is not known"},
    {Role::kInit, SYS_write, kAny, "the init ends"},
    {Role::kInit, SYS_prctl, kAny, "the init ends"},
    {Role::kInit, SYS_rt_sigprocmask, kAny, "the init ends"},
};

/// What the jailer cannot go on without: it ends, and the keeper starts it anew.
constexpr Known kEndsJailer[] = {
    {Role::kJailer, SYS_sendmsg, EPERM, "a packet would be lost"},
    {Role::kJailer, SYS_setns, kAny, "it would stay in the jail's pid namespace or network"},
    {Role::kJailer, SYS_recvmsg, kAny, kExits, "", false, &Scenario::rules},
    {Role::kJailer, SYS_socket, kAny, kExits, "", false, &Scenario::rules},
    {Role::kJailer, SYS_fcntl, kAny, kExits, "socket:", false, &Scenario::rules},
    {Role::kJailer, SYS_epoll_create1, kAny, "libev makes a new one now and then, and needs it"},
    {Role::kJailer, SYS_mmap, ENOMEM, "it is out of memory"},
};

bool fits(std::string_view path, std::string_view known) {
    if (known.ends_with('$')) return path.ends_with(known.substr(0, known.size() - 1));
    return known.starts_with('=') ? path == known.substr(1) : path.find(known) != path.npos;
}

const Known* find(std::span<const Known> table, const Fault& fault, const Attempt& attempt) {
    const CallId& id = fault.site.id;
    const auto is_it = [&](const Known& known) {
        return known.role == id.role && (known.number == kWhatever || known.number == id.number) &&
               (known.error == kAny || known.error == fault.error) &&
               fits(attempt.trace.path, known.path) &&
               (known.only == nullptr || fault.scenario.*known.only);
    };
    const auto known = std::ranges::find_if(table, is_it);
    return known == table.end() ? nullptr : &*known;
}

void judge_refusal(const Fault& fault, const Attempt& attempt, Verdict& verdict) {
    const auto complain = [&](std::string text) { verdict.complaints.push_back(std::move(text)); };
    const ipc::StartFailed& refusal = attempt.refusal;
    const std::string text(ipc::get_text(refusal.text));
    if (attempt.programs != 0) complain("the program was executed, and the start failed");
    if (!text.starts_with(fmt::format("{}: ", kUnit))) complain("the unit is not named: " + text);
    if (ipc::get_text(refusal.plugin).empty()) complain("no plugin is named: " + text);
    if (ipc::get_text(refusal.operation).empty()) complain("no operation is named: " + text);
    const bool told =
        refusal.code == fault.error || text.find(::strerrordesc_np(fault.error)) != text.npos;
    if (!told && find(kFoundOutLater, fault, attempt) == nullptr) {
        complain("the error is not told: " + text);
    }
}

void judge_jail(const Fault& fault, const Attempt& attempt, Verdict& verdict) {
    const auto complain = [&](std::string text) { verdict.complaints.push_back(std::move(text)); };
    const Known* const known = find(kHarmless, fault, attempt);
    if (known == nullptr) complain("the program runs in spite of it, and nobody has said why");
    if (!attempt.weaker.empty() && (known == nullptr || !known->differs)) {
        complain("its jail is another:\n" + to_text(attempt.weaker));
    }
}

}  // namespace

const char* harmless(const Fault& fault, const Attempt& attempt) {
    const Known* const known = find(kHarmless, fault, attempt);
    return known != nullptr ? known->why : nullptr;
}

Verdict judge(const Fault& fault, const Attempt& attempt) {
    Verdict verdict;
    if (!attempt.left.empty()) {
        verdict.complaints.push_back("is left:\n" + to_text(attempt.left));
    }
    if (!attempt.goes_on) verdict.complaints.emplace_back("another unit could not be started");
    if (!attempt.trace.fired) {
        verdict.kind = Kind::kNotReached;
    } else if (attempt.jailer_ended) {
        verdict.kind = Kind::kNewJailer;
        if (find(kEndsJailer, fault, attempt) == nullptr) {
            verdict.complaints.push_back("the jailer ended: " + attempt.said);
        }
    } else if (attempt.started) {
        verdict.kind = Kind::kHarmless;
        judge_jail(fault, attempt, verdict);
    } else {
        judge_refusal(fault, attempt, verdict);
    }
    return verdict;
}

}  // namespace jailsvc::faults
