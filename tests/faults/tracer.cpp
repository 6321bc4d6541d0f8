#include "tracer.hpp"

#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include "calls.hpp"
#include "tracee.hpp"

namespace jailsvc::faults {
namespace {

constexpr std::uint32_t kMostCalls = 65536;
constexpr std::size_t kMostPath = 200;
constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                          PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;
constexpr int kCallStop = SIGTRAP | 0x80;
constexpr std::uint64_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWIPC |
                                         CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET;

enum class Verb : std::uint8_t { kAttach, kArm, kFinish };

long trace(int request, pid_t pid, std::uint64_t address = 0, std::uint64_t data = 0) {
    return ::ptrace(static_cast<__ptrace_request>(request), pid, address, data);
}

bool read_memory(pid_t pid, std::uint64_t address, void* into, std::size_t size) {
    const iovec here{into, size};
    const iovec there{reinterpret_cast<void*>(address), size};
    return ::process_vm_readv(pid, &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
}

/// Byte by byte, since what lies behind the string may not be there.
std::string read_string(pid_t pid, std::uint64_t address) {
    std::string text;
    char c = 0;
    while (text.size() < kMostPath - 1 && read_memory(pid, address + text.size(), &c, 1) && c) {
        text += c;
    }
    return text;
}

}  // namespace

/// What tracer and test both see. The test reads it while the tracer waits to be asked.
struct Tracer::Shared {
    Site calls[kMostCalls];
    std::uint32_t count;
    bool complete;
    bool fired;
    char path[kMostPath];
    unsigned programs;
};

struct Tracer::Command {
    Verb verb{};
    pid_t jailer = -1;
    Site site{};  ///< of the call to fail; nth 0: none
    long result = 0;
};

namespace {

struct Tracee {
    Role role = Role::kHelper;
    std::uint64_t clone_flags = 0;  ///< of the clone it is in
    bool failing = false;           ///< its call was taken back and gets our result at its exit
};

class Loop {
public:
    Loop(int control, Tracer::Shared& shared) : control_(control), shared_(shared) {
        sigset_t child;
        ::sigemptyset(&child);
        ::sigaddset(&child, SIGCHLD);
        ::sigprocmask(SIG_BLOCK, &child, nullptr);
        stops_ = Fd(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    }

    /// Until the test is gone. Its end detaches from everything (ptrace(2)).
    void run() {
        for (;;) {
            pollfd waiting[] = {{control_, POLLIN, 0}, {stops_.get(), POLLIN, 0}};
            if (::poll(waiting, 2, -1) == -1 && errno != EINTR) return;
            signalfd_siginfo info{};
            while (::read(stops_.get(), &info, sizeof info) > 0) {
            }
            take_stops();
            if (waiting[0].revents != 0 && !obey()) return;
        }
    }

private:
    bool obey() {
        Tracer::Command command;
        if (::read(control_, &command, sizeof command) != sizeof command) return false;
        switch (command.verb) {
            case Verb::kAttach:
                jailer_ = command.jailer;
                tracees_[jailer_].role = Role::kJailer;
                if (trace(PTRACE_SEIZE, jailer_, 0, kOptions) == -1) return false;
                break;
            case Verb::kArm:
                begin(command.site, command.result);
                return trace(PTRACE_INTERRUPT, jailer_) == 0;  // answered when it has stopped
            case Verb::kFinish:
                armed_ = false;
                break;
        }
        return answer();
    }

    bool answer() const { return ::write(control_, "", 1) == 1; }

    void begin(const Site& site, long result) {
        site_ = site;
        result_ = result;
        counts_.clear();
        shared_.count = 0;
        shared_.complete = true;
        shared_.fired = false;
        shared_.path[0] = '\0';
        shared_.programs = 0;
        armed_ = awaited_ = true;
    }

    void take_stops() {
        int status = 0;
        pid_t pid = 0;
        while ((pid = ::waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
            if (!WIFSTOPPED(status)) {
                tracees_.erase(pid);
                continue;
            }
            if (!tracees_.contains(pid)) {
                early_.insert(pid);  // its maker's stop, which says what it is, comes next
                continue;
            }
            stopped(pid, status);
        }
    }

    void stopped(pid_t pid, int status) {
        Tracee& tracee = tracees_.at(pid);
        const int signo = WSTOPSIG(status);
        switch (status >> 16) {
            case PTRACE_EVENT_FORK:
            case PTRACE_EVENT_VFORK:
            case PTRACE_EVENT_CLONE:
                made_child(pid, tracee);
                return resume(pid);
            case PTRACE_EVENT_EXEC:
                return executed(pid, tracee);
            case PTRACE_EVENT_EXIT:
                return let_go(pid);  // so that its parent, not we, sees its end
            case PTRACE_EVENT_STOP:
                if (pid == jailer_ && std::exchange(awaited_, false)) (void)answer();
                return resume(pid);
            default:
                break;
        }
        if (signo != kCallStop) return resume(pid, signo);
        at_call(pid, tracee);
        resume(pid);
    }

    void resume(pid_t pid, int signo = 0) const {
        trace(armed_ ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, static_cast<std::uint64_t>(signo));
    }

    /// Not where it was killed in between and runs already: then it stops once more, at its end.
    void let_go(pid_t pid) {
        if (trace(PTRACE_DETACH, pid) == 0) tracees_.erase(pid);
    }

    void made_child(pid_t pid, const Tracee& tracee) {
        unsigned long child = 0;
        if (trace(PTRACE_GETEVENTMSG, pid, 0, reinterpret_cast<std::uintptr_t>(&child)) == -1) {
            return;
        }
        const auto made = static_cast<pid_t>(child);
        tracees_[made].role = role_of_child(tracee);
        if (early_.erase(made) != 0) resume(made);
    }

    static Role role_of_child(const Tracee& maker) {
        if (maker.role != Role::kJailer) return maker.role;
        if ((maker.clone_flags & CLONE_PARENT) == 0) return Role::kHelper;
        return (maker.clone_flags & kNewNamespaces) != 0 ? Role::kStub : Role::kProgram;
    }

    void executed(pid_t pid, Tracee& tracee) {
        if (tracee.role == Role::kProgram) {
            ++shared_.programs;
            return let_go(pid);
        }
        if (tracee.role == Role::kStub) tracee.role = Role::kInit;
        resume(pid);
    }

    void at_call(pid_t pid, Tracee& tracee) {
        __ptrace_syscall_info info{};
        if (trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info,
                  reinterpret_cast<std::uintptr_t>(&info)) <= 0) {
            return;
        }
        if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
            if (std::exchange(tracee.failing, false)) (void)set_result(pid, result_);
            return;
        }
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY && armed_) entered(pid, tracee, info);
    }

    void entered(pid_t pid, Tracee& tracee, const __ptrace_syscall_info& info) {
        const auto number = static_cast<std::uint16_t>(info.entry.nr);
        note_clone(pid, tracee, info);
        const CallId id{tracee.role, number,
                        variant_of(number, info.entry.args[0], info.entry.args[1])};
        const Site site{id, ++counts_[id]};
        if (shared_.count < kMostCalls) {
            shared_.calls[shared_.count++] = site;
        } else {
            shared_.complete = false;
        }
        if (site != site_ || !skip_call(pid)) return;
        tracee.failing = shared_.fired = true;
        const std::string path = path_of(pid, info);
        std::memcpy(shared_.path, path.c_str(), path.size() + 1);
    }

    static std::string path_of(pid_t pid, const __ptrace_syscall_info& info) {
        const auto number = static_cast<std::uint16_t>(info.entry.nr);
        if (const int argument = path_argument(number); argument >= 0) {
            const std::string path = read_string(pid, info.entry.args[argument]);
            if (!path.empty() || argument == 0) return path;  // else AT_EMPTY_PATH
        } else if (!is_about_descriptor(number)) {
            return "";
        }
        std::error_code failed;
        const std::string link = fmt::format("/proc/{}/fd/{}", pid, info.entry.args[0]);
        return std::filesystem::read_symlink(link, failed).string().substr(0, kMostPath - 1);
    }

    static void note_clone(pid_t pid, Tracee& tracee, const __ptrace_syscall_info& info) {
        if (info.entry.nr == SYS_clone) tracee.clone_flags = info.entry.args[0];
        if (info.entry.nr != SYS_clone3) return;
        clone_args arguments{};
        if (read_memory(pid, info.entry.args[0], &arguments, sizeof arguments)) {
            tracee.clone_flags = arguments.flags;
        }
    }

    int control_;
    Tracer::Shared& shared_;
    Fd stops_;
    std::map<pid_t, Tracee> tracees_;
    std::set<pid_t> early_;
    std::map<CallId, std::uint32_t> counts_;
    Site site_;
    long result_ = 0;
    pid_t jailer_ = -1;
    bool armed_ = false;
    bool awaited_ = false;  ///< the jailer's stop, from which on calls are counted
};

}  // namespace

Tracer::Tracer() {
    void* const memory =
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    if (memory == MAP_FAILED ||
        ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1) {
        throw std::runtime_error("no tracer");
    }
    shared_ = static_cast<Shared*>(memory);
    control_ = Fd(ends[0]);
    const Fd theirs(ends[1]);
    process_ = ::fork();
    if (process_ == -1) throw std::runtime_error("fork");
    if (process_ > 0) return;
    control_ = Fd();
    Loop(theirs.get(), *shared_).run();
    ::_exit(0);
}

Tracer::~Tracer() {
    control_ = Fd();
    (void)::waitpid(process_, nullptr, 0);
    (void)::munmap(shared_, sizeof(Shared));
}

std::string Tracer::why_not() {
    const pid_t child = ::fork();
    if (child == -1) throw std::runtime_error("fork");
    if (child == 0) {
        for (;;) ::pause();
    }
    std::string why;
    __ptrace_syscall_info info{};
    if (trace(PTRACE_SEIZE, child) == -1 || trace(PTRACE_INTERRUPT, child) == -1) {
        why = fmt::format("ptrace: {}", ::strerror(errno));
    } else if (::waitpid(child, nullptr, __WALL) != child ||
               trace(PTRACE_GET_SYSCALL_INFO, child, sizeof info,
                     reinterpret_cast<std::uintptr_t>(&info)) <= 0) {
        why = fmt::format("PTRACE_GET_SYSCALL_INFO: {}", ::strerror(errno));
    }
    ::kill(child, SIGKILL);
    (void)::waitpid(child, nullptr, __WALL);
    return why;
}

void Tracer::ask(const Command& command) {
    constexpr int kPatienceMs = 10'000;
    pollfd answered{control_.get(), POLLIN, 0};
    char done = 0;
    if (::write(control_.get(), &command, sizeof command) != sizeof command ||
        ::poll(&answered, 1, kPatienceMs) != 1 || ::read(control_.get(), &done, 1) != 1) {
        throw std::runtime_error("the tracer does not answer");
    }
}

void Tracer::attach(pid_t jailer) {
    ask({.verb = Verb::kAttach, .jailer = jailer});
}

void Tracer::record() {
    ask({.verb = Verb::kArm});
}

void Tracer::inject(const Site& site, long result) {
    ask({.verb = Verb::kArm, .site = site, .result = result});
}

Trace Tracer::finish() {
    ask({.verb = Verb::kFinish});
    Trace trace;
    trace.calls.assign(shared_->calls, shared_->calls + shared_->count);
    trace.complete = shared_->complete;
    trace.fired = shared_->fired;
    trace.path = shared_->path;
    return trace;
}

unsigned Tracer::programs() const {
    return shared_->programs;
}

}  // namespace jailsvc::faults
