#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/sys.hpp"
#include "jailer/child/interpret.hpp"
#include "jailer/child/main_stage.h"
#include "jailer/child/raw_calls.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/ground.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/net/net_namespace.hpp"

namespace jailsvc::jailer {
namespace {

/// Both ends of a child's gate. Ours does not block; the child's does.
struct Gate {
    Fd ours, theirs;
};

Jailed<Gate> make_gate() {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1) {
        return std::unexpected(failed(kStepClone, "socketpair", errno));
    }
    Gate gate{Fd(ends[0]), Fd(ends[1])};
    if (::fcntl(gate.ours.get(), F_SETFL, O_NONBLOCK) == -1) {
        return std::unexpected(failed(kStepClone, "fcntl", errno));
    }
    return gate;
}

/// A copy of this process, as fork(2) makes it, that shares nothing it could harm. Handlers are
/// reset by the kernel before the child's first instruction. With CLONE_PARENT the signal sent at
/// its end would be the one of our own creation, and must be said to be 0 (clone(2)).
template <typename Entry>
Jailed<Parked> clone_child(const SpawnContext& context, std::uint64_t namespaces,
                           const CgroupEntry& groups, Gate gate, const Entry& entry) {
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | namespaces |
                      (context.clone_parent ? std::uint64_t{CLONE_PARENT} : 0);
    if (groups.unified >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = static_cast<std::uint64_t>(groups.unified);
    }
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    arguments.exit_signal = context.clone_parent ? 0 : SIGCHLD;
    const long pid = raw::call(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) entry(gate.theirs.get());
    if (pid < 0) return std::unexpected(failed(kStepClone, "clone3", static_cast<int>(-pid)));
    return Parked{.pid = static_cast<pid_t>(pid),
                  .pidfd = Fd(pidfd),
                  .gate = std::move(gate.ours),
                  .listener = Fd()};
}

/// Ends a child that nobody has been told of yet.
void discard(const SpawnContext& context, const Parked& parked) {
    (void)sys::pidfd_signal(parked.pidfd.get(), SIGKILL);
    if (context.clone_parent) return;  // the keeper reaps
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(parked.pidfd.get()), &info, WEXITED) == -1 &&
           errno == EINTR) {
    }
}

/// Whether it means that the child has ended: why, it tells by its gate.
bool is_end(int code) {
    return code == ESRCH || code == ENOENT || code == EPIPE;
}

/// The child waits at its gate until its ids are mapped: only we may do that, once for each map.
Jailed<void> map_ids(const CompiledPlan& plan, const ResolvedIds& ids, std::uint32_t index,
                     Parked& parked) {
    const Op* map = plan.find(JSV_OP_ID_MAP);
    if (map == nullptr) return {};
    const auto maps = host_maps(*map, ids);
    const std::string directory = "/proc/" + std::to_string(parked.pid);
    for (const auto& [name, text] :
         {std::pair{"/uid_map", &maps[0]}, std::pair{"/gid_map", &maps[1]}}) {
        if (const auto written = sys::write_file(directory + name, *text); !written) {
            if (is_end(written.error().code)) return {};
            return std::unexpected(failed(index, name + 1, written.error().code));
        }
    }
    if (const auto opened = open_gate(parked); !opened && !is_end(opened.error().code)) {
        return std::unexpected(failed(index, "gate", opened.error().code));
    }
    return {};
}

/// Index of the one operation of that kind; kStepEnter where there is none.
std::uint32_t index_of(std::span<const ChildOp> ops, jsv_kind kind) {
    const auto op = std::ranges::find(ops, kind, &ChildOp::kind);
    return op == ops.end() ? kStepEnter : op->index;
}

/// What the clone itself made is empty. One that is new, but dead already, tells why by its gate.
Jailed<void> set_up_network(std::span<const ChildOp> ops, const Parked& parked) {
    const auto network = std::ranges::find_if(ops, [](const ChildOp& op) {
        return op.kind == JSV_OP_NETWORK || op.kind == JSV_OP_NETWORK_JOIN;
    });
    if (network == ops.end()) return {};
    if (network->kind == JSV_OP_NETWORK_JOIN || network->number[0] == JSV_NET_PRIVATE) {
        return std::unexpected(failed(network->index, "no namespace was made for it", EBADF));
    }
    if (network->number[0] == JSV_NET_NONE) return {};
    const IntoNetwork into(parked.pidfd.get());
    if (into.code() == ESRCH) return {};
    const auto done = into.code() == 0 ? set_loopback(true) : fail_errno("setns", into.code());
    if (!done) return std::unexpected(failed(network->index, "lo", done.error().code));
    return {};
}

bool needs_scratch(const CompiledPlan& plan) {
    return plan.find(JSV_OP_MASK) != nullptr || plan.find(JSV_OP_FILE) != nullptr ||
           plan.find(JSV_OP_VIEW) != nullptr;
}

std::vector<const char*> pointers(const std::vector<std::string>& texts) {
    std::vector<const char*> result;
    result.reserve(texts.size() + 1);
    for (const std::string& text : texts) result.push_back(text.c_str());
    result.push_back(nullptr);
    return result;
}

/// While it lives, our children are born into the stub's pid namespace. That it ends must not
/// fail: the next jail would lie inside this one, so we rather end, and the keeper starts us anew.
class IntoPidNamespace {
public:
    IntoPidNamespace(int own, int stub) : own_(own) {
        if (stub >= 0 && ::setns(stub, CLONE_NEWPID) == -1) code_ = errno;
        entered_ = stub >= 0 && code_ == 0;
    }
    IntoPidNamespace(const IntoPidNamespace&) = delete;
    IntoPidNamespace& operator=(const IntoPidNamespace&) = delete;
    ~IntoPidNamespace() {
        if (entered_ && ::setns(own_, CLONE_NEWPID) == -1) std::abort();
    }
    [[nodiscard]] int code() const { return code_; }

private:
    int own_;
    int code_ = 0;
    bool entered_ = false;
};

Jailed<Parked> clone_into(const SpawnContext& context, bool new_pids, int stub,
                          const CgroupEntry& groups, Gate gate, ProgramJob& job) {
    Fd own;
    if (new_pids) {
        own = Fd(::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
        if (!own) return std::unexpected(failed(kStepClone, "/proc/self/ns/pid", errno));
    }
    const IntoPidNamespace into(own.get(), new_pids ? stub : -1);
    if (into.code() != 0) return std::unexpected(failed(kStepEnter, "setns", into.code()));
    return clone_child(context, 0, groups, std::move(gate), [&](int end) {
        job.gate = end;
        run_program(job);
    });
}

/// A cgroup namespace's root is where its maker is: in clone3 that would be us
/// (cgroup_namespaces(7)). The child makes it, when it is in the unit's groups; and that of its
/// mounts out of the ground, when it has what it needs of the host's.
Jailed<Parked> clone_in_network(const SpawnContext& context, StubJob& job,
                                const CgroupEntry& groups, Gate gate, int network) {
    const IntoNetwork into(network);
    if (into.code() != 0) return std::unexpected(failed(kStepEnter, "network", into.code()));
    const std::uint64_t later = CLONE_NEWCGROUP | (network < 0 ? 0 : std::uint64_t{CLONE_NEWNET}) |
                                (job.ground < 0 ? 0 : std::uint64_t{CLONE_NEWNS});
    return clone_child(context, job.namespaces & ~later, groups, std::move(gate), [&](int end) {
        job.gate = end;
        run_stub(job);
    });
}

std::vector<int> descriptors_of(const Program& program) {
    std::vector<int> descriptors{program.stdin_fd, program.stdout_fd, program.stderr_fd};
    descriptors.insert(descriptors.end(), program.passed.begin(), program.passed.end());
    return descriptors;
}

/// A filter that lets pass what sends descriptors holds only where there is no Unix socket to send
/// them over, and cannot tell itself: the message is in memory.
Jailed<void> check_sockets(const CompiledPlan& plan, const std::vector<int>& descriptors) {
    const Op* filter = plan.find(JSV_OP_SECCOMP);
    if (filter == nullptr || (filter->flags & JSV_SECCOMP_NO_UNIX_SOCKETS) == 0) return {};
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
        int domain = AF_UNSPEC;
        socklen_t size = sizeof domain;
        const int code =
            ::getsockopt(descriptors[i], SOL_SOCKET, SO_DOMAIN, &domain, &size);  // else ENOTSOCK
        if (code == -1 || domain != AF_UNIX) continue;
        return std::unexpected(not_held(
            kStepDescriptors,
            fmt::format("descriptor {} is a Unix socket, over which a program with these promises "
                        "could send others; give it another, or promise \"unix\" too",
                        i)));
    }
    return {};
}

}  // namespace

void ignore_no_signals() noexcept {
    // As rt_sigaction(2) has it. Not by sigaction(3): that hides the signals 32 and 33, which are
    // glibc's own, and posix_spawn(3) starts programs with both of them ignored.
    struct Disposition {
        std::uintptr_t handler;
        unsigned long flags;
        std::uintptr_t restorer;
        std::uint64_t mask;
    };
    constexpr int kLast = 64;
    const auto ignored = reinterpret_cast<std::uintptr_t>(SIG_IGN);
    for (int signo = 1; signo <= kLast; ++signo) {
        Disposition present{};
        const auto size = sizeof present.mask;
        if (::syscall(SYS_rt_sigaction, signo, nullptr, &present, size) != 0) continue;
        if (present.handler != ignored) continue;
        const Disposition standard{};  // SIG_DFL is 0
        (void)::syscall(SYS_rt_sigaction, signo, &standard, nullptr, size);
    }
}

Jailed<Parked> spawn_stub(const SpawnContext& context, const CompiledPlan& plan,
                          const ResolvedIds& ids, int network, const CgroupEntry& groups,
                          int credentials, const std::vector<MappedTree>& mapped) {
    auto gate = make_gate();
    if (!gate) return std::unexpected(std::move(gate).error());
    const std::vector<ChildOp> ops = plan.child_ops();
    std::vector<int> trees(ops.size() + 1, -1), depths(ops.size() + 1, 0);
    for (const MappedTree& tree : mapped) trees.at(tree.op) = tree.tree.get();
    const bool grounded = stands_on_ground(context, plan);
    StubJob job{.ops = ops.data(),
                .count = static_cast<std::uint32_t>(ops.size()),
                .gate = -1,
                .stub_program = context.stub_program,
                .stage_directory = context.stage_directory.c_str(),
                .ground = grounded ? context.ground->mount_namespace() : -1,
                .credentials = credentials,
                .trees = trees.data(),
                .depths = depths.data(),
                .namespaces = plan.namespaces(),
                .needs_scratch = needs_scratch(plan),
                .id_map = index_of(ops, JSV_OP_ID_MAP),
                .cgroup_tasks = groups.tasks,
                .cgroup_task_count = static_cast<std::uint32_t>(groups.task_count)};
    auto parked = clone_in_network(context, job, groups, std::move(*gate), network);
    if (!parked) return parked;
    if (network < 0) {
        if (auto ready = set_up_network(ops, *parked); !ready) {
            discard(context, *parked);
            return std::unexpected(std::move(ready).error());
        }
    }
    if (auto done = map_ids(plan, ids, job.id_map, *parked); !done) {
        discard(context, *parked);
        return std::unexpected(std::move(done).error());
    }
    return parked;
}

Jailed<Parked> spawn_program(const SpawnContext& context, const CompiledPlan& plan,
                             const ResolvedIds& ids, int stub, const Program& program,
                             const CgroupEntry& groups) {
    if (program.argv.empty()) return std::unexpected(failed(kStepExec, "no program", EINVAL));
    const std::uint64_t namespaces = plan.namespaces();
    if ((namespaces != 0) != (stub >= 0)) {
        return std::unexpected(failed(kStepEnter, "the jail's init", EBADF));
    }
    const std::vector<int> descriptors = descriptors_of(program);
    if (auto fit = check_sockets(plan, descriptors); !fit) {
        return std::unexpected(std::move(fit).error());
    }
    auto gate = make_gate();
    if (!gate) return std::unexpected(std::move(gate).error());
    std::vector<int> moved(descriptors.size(), -1);
    const auto argv = pointers(program.argv);
    const bool staged = plan.find(JSV_OP_SECCOMP_MAIN) != nullptr;
    std::vector<std::string> variables = program.environment;
    if (staged) variables.push_back(fmt::format(MAIN_STAGE_VARIABLE "={}", descriptors.size()));
    const std::size_t pid_at = program.pid_variable.size() + 1;
    if (pid_at > 1) {
        variables.push_back(program.pid_variable + '=' + std::string(kPidRoom, '\0'));
    }
    const auto environment = pointers(variables);
    const std::vector<ChildOp> ops = plan.child_ops();
    ProgramJob job{.ops = ops.data(),
                   .count = static_cast<std::uint32_t>(ops.size()),
                   .gate = -1,
                   .stub = stub,
                   .probe = plan.find(JSV_OP_LANDLOCK) != nullptr ? context.probe : -1,
                   .enter = namespaces & ~std::uint64_t{CLONE_NEWPID},
                   .descriptors = descriptors.data(),
                   .moved = moved.data(),
                   .descriptor_count = static_cast<std::uint32_t>(descriptors.size()),
                   .executable = program.executable,
                   .argv = argv.data(),
                   .environment = environment.data(),
                   .pid_digits = pid_at > 1 ? variables.back().data() + pid_at : nullptr,
                   .gate_stays = staged,
                   .working_directory = program.working_directory.c_str(),
                   .waits = program.waits,
                   .new_session = program.new_session,
                   .terminal = program.terminal,
                   .uid = ids.uid,
                   .gid = ids.gid,
                   .cgroup_tasks = groups.tasks,
                   .cgroup_task_count = static_cast<std::uint32_t>(groups.task_count)};
    const bool new_pids = (namespaces & CLONE_NEWPID) != 0;
    auto parked = clone_into(context, new_pids, stub, groups, std::move(*gate), job);
    const Op* filter = plan.find(JSV_OP_SECCOMP);
    if (parked && filter != nullptr) parked->learns = (filter->flags & JSV_SECCOMP_LEARN) != 0;
    if (parked && staged) parked->main = Parked::Main::kAwaited;
    return parked;
}

}  // namespace jailsvc::jailer
