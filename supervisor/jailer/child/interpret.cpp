// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/interpret.hpp"

#include <fcntl.h>
#include <jailsvc_plugin.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/time_slice.hpp"
#include "ipc/messages.hpp"
#include "jailer/child/child_landlock.hpp"
#include "jailer/child/child_mounts.hpp"
#include "jailer/child/child_process.hpp"
#include "jailer/child/child_seal.hpp"
#include "jailer/child/child_view.hpp"
#include "jailer/child/raw_calls.hpp"

namespace jailsvc::jailer {
namespace {

using Kind = GateReport::Kind;

constexpr int kStubGate = 3, kStubProgram = 4;
constexpr int kFailedStatus = ipc::kNotExecutedCode;

/// Reports and ends, unless the unit allows this operation not to hold.
void settle(int gate, const ChildOp& op, Outcome outcome) noexcept {
    if (outcome.ok()) return;
    const bool allowed = op.optional != 0 || outcome.foreseen;
    const int told = report(gate, allowed ? Kind::kWeakened : Kind::kFailed, op.index, outcome);
    if (!allowed || told < 0) raw::exit_now(kFailedStatus);
}

void require(int gate, std::uint32_t step, long code) noexcept {
    if (code >= 0) return;
    report(gate, Kind::kFailed, step, {static_cast<int>(-code), GateReport::About::kWhole});
    raw::exit_now(kFailedStatus);
}

void require(int gate, std::uint32_t step, Outcome outcome) noexcept {
    if (outcome.ok()) return;
    report(gate, Kind::kFailed, step, outcome);
    raw::exit_now(kFailedStatus);
}

/// Whoever shares our uid in the jail could otherwise trace us between here and the exec, and read
/// the jailer's memory (ptrace(2), "dumpable"). The exec sets it anew.
void hide_from_tracers(int gate) noexcept {
    require(gate, kStepIsolation, raw::call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0));
}

int move_up(int fd, unsigned lowest) noexcept {
    return raw::call_int(SYS_fcntl, fd, F_DUPFD_CLOEXEC, lowest);
}

/// Before anything else, so that all we do is counted and limited. "0" is the writer itself, and
/// into `tasks` it goes without the kernel's wait for all others (cgroup_procs_write_start,
/// kernel/cgroup/cgroup.c). What may be written was decided when the file was opened.
template <typename Job>
void enter_cgroups(const Job& job) noexcept {
    for (std::uint32_t i = 0; i < job.cgroup_task_count; ++i) {
        require(job.gate, kStepCgroup, raw::call(SYS_write, job.cgroup_tasks[i], "0", 1));
    }
}

/// Trees that the jailer has opened, out of the way of `lowest` numbers.
void move_trees(const StubJob& job, int gate, unsigned lowest) noexcept {
    for (std::uint32_t i = 0; i < job.count; ++i) {
        if (job.trees[i] < 0) continue;
        job.trees[i] = move_up(job.trees[i], lowest);
        require(gate, kStepDescriptors, job.trees[i]);
    }
}

/// They come after `next`, which is told of the first number behind them.
void place_trees(const StubJob& job, int& next) noexcept {
    for (std::uint32_t i = 0; i < job.count; ++i) {
        if (job.trees[i] < 0) continue;
        require(kStubGate, kStepDescriptors, raw::call(SYS_dup3, job.trees[i], next, O_CLOEXEC));
        job.trees[i] = next++;
    }
}

unsigned count_trees(const StubJob& job) noexcept {
    unsigned trees = 0;
    for (std::uint32_t i = 0; i < job.count; ++i) trees += job.trees[i] >= 0 ? 1 : 0;
    return trees;
}

/// Gate to 3, the stub's program to 4, after them what there is of credentials, ground, and trees
/// that the jailer has opened; the rest is closed: the stub needs no standard streams.
void arrange_stub_descriptors(StubJob& job) noexcept {
    int* const more[] = {&job.credentials, &job.ground};
    const unsigned above = kStubProgram + 1 + sizeof more / sizeof more[0] + count_trees(job);
    const int gate = move_up(job.gate, above);
    require(job.gate, kStepDescriptors, gate);
    const int program = move_up(job.stub_program, above);
    require(gate, kStepDescriptors, program);
    move_trees(job, gate, above);
    for (int* const fd : more) {
        if (*fd < 0) continue;
        *fd = move_up(*fd, above);
        require(gate, kStepDescriptors, *fd);
    }
    require(gate, kStepDescriptors, raw::call(SYS_dup3, gate, kStubGate, 0));
    require(gate, kStepDescriptors, raw::call(SYS_dup3, program, kStubProgram, O_CLOEXEC));
    require(kStubGate, kStepDescriptors, raw::call(SYS_close_range, 0, kStubGate - 1, 0));
    int unused = kStubProgram + 1;
    for (int* const fd : more) {
        if (*fd < 0) continue;
        require(kStubGate, kStepDescriptors, raw::call(SYS_dup3, *fd, unused, O_CLOEXEC));
        *fd = unused++;
    }
    place_trees(job, unused);
    require(kStubGate, kStepDescriptors, raw::call(SYS_close_range, unused, ~0U, 0));
}

/// We come into a user namespace as an unmapped id, with every capability in it
/// (user_namespaces(7)); only as one of its own ids can we make files in it.
void become_namespace_root(const StubJob& job) noexcept {
    long code = raw::call(SYS_setresgid, 0, 0, 0);
    if (code >= 0) code = raw::call(SYS_setresuid, 0, 0, 0);
    require(kStubGate, job.id_map, code);
}

void build_file_system(const StubJob& job) noexcept {
    const bool mounts = (job.namespaces & CLONE_NEWNS) != 0;
    MountState state{};
    state.job = &job;
    const bool grounded = job.ground >= 0;
    if (mounts && !grounded) {
        require(kStubGate, kStepPrivate, make_private());
        require(kStubGate, kStepPivot, open_stage(state));
    }
    for (std::uint32_t i = 0; i < job.count && mounts; ++i) {
        settle(kStubGate, job.ops[i], open_source_tree(state, i));
    }
    if (grounded) require(kStubGate, kStepPrivate, enter_ground(state));
    if ((job.namespaces & CLONE_NEWUSER) != 0) become_namespace_root(job);
    if (job.needs_scratch) require(kStubGate, kStepScratch, make_scratch(state));
    for (std::uint32_t i = 0; i < job.count; ++i) {
        settle(kStubGate, job.ops[i], apply_mount(state, i));
    }
    for (std::uint32_t i = next_reveal(state); i < job.count; i = next_reveal(state)) {
        settle(kStubGate, job.ops[i], attach_reveal(state, i));
    }
    if (mounts) require(kStubGate, kStepPivot, finish_mounts(state));
}

/// Sources first move out of the way of the numbers they are wanted at.
void arrange_program_descriptors(ProgramJob& job, int& gate, int& stub) noexcept {
    // They come right after the program's own; the first two are there until the exec.
    int* const kept[] = {&gate, &job.executable, &stub, &job.probe};
    constexpr unsigned kKept = 4;
    const std::uint32_t count = job.descriptor_count;
    for (std::uint32_t i = 0; i < count; ++i) {
        const int source = job.descriptors[i];
        const int fd =
            source >= 0 ? source : raw::openat2(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
        require(gate, kStepDescriptors, fd);
        job.moved[i] = move_up(fd, count + kKept);
        require(gate, kStepDescriptors, job.moved[i]);
    }
    for (int* const fd : kept) {
        const int high = *fd < 0 ? -1 : move_up(*fd, count + kKept);
        if (*fd >= 0) require(gate, kStepDescriptors, high);
        *fd = high;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        require(gate, kStepDescriptors, raw::call(SYS_dup3, job.moved[i], i, 0));
    }
    int next = static_cast<int>(count);
    for (int* const fd : kept) {
        if (*fd < 0) continue;
        const bool stays = fd == &gate && job.gate_stays;
        require(gate, kStepDescriptors, raw::call(SYS_dup3, *fd, next, stays ? 0 : O_CLOEXEC));
        *fd = next++;
    }
    require(gate, kStepDescriptors, raw::call(SYS_close_range, next, ~0U, 0));
}

/// As the jail's pid namespace counts: only the process itself knows that number.
void tell_own_pid(char* digits) noexcept {
    if (digits == nullptr) return;
    auto rest = static_cast<unsigned>(raw::call_int(SYS_getpid));
    char reversed[kPidRoom];
    unsigned count = 0;
    do {
        reversed[count++] = static_cast<char>('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    while (count > 0) *digits++ = reversed[--count];
    *digits = '\0';
}

/// All namespaces by one call: the kernel takes the user namespace first, so that its rights serve
/// for the others (setns(2)). Joining a mount namespace sets root and working directory to its
/// root.
void enter_jail(const ProgramJob& job, int gate, int stub) noexcept {
    if (stub < 0) return;
    if (job.enter != 0) require(gate, kStepEnter, raw::call(SYS_setns, stub, job.enter));
    raw::close(stub);
    // As an unmapped id we could not even walk the jail's directories.
    if ((job.enter & CLONE_NEWUSER) == 0) return;
    require(gate, kStepEnter, raw::call(SYS_setgroups, 0, nullptr));
    require(gate, kStepEnter, raw::call(SYS_setresgid, 0, 0, 0));
    require(gate, kStepEnter, raw::call(SYS_setresuid, 0, 0, 0));
    hide_from_tracers(gate);
}

/// The program's own directory wins over the plan's. Relative to the jail's root, where setns has
/// put us; without a mount namespace, to the host's.
void change_directory(const ProgramJob& job, int gate) noexcept {
    if (job.working_directory[0] != '\0') {
        require(gate, kStepDirectory, raw::call(SYS_chdir, job.working_directory));
        return;
    }
    require(gate, kStepDirectory, raw::call(SYS_chdir, "/"));
    for (const ChildOp* op = job.ops; op != job.ops + job.count; ++op) {
        if (op->kind != JSV_OP_CHDIR) continue;
        const long code = raw::call(SYS_chdir, op->text[0]);
        settle(gate, *op, {code < 0 ? static_cast<int>(-code) : 0, GateReport::About::kTarget});
    }
}

/// A leader already is what it would become: EPERM (setsid(2)).
void start_session(const ProgramJob& job, int gate) noexcept {
    bool wanted = job.new_session;
    for (const ChildOp* op = job.ops; op != job.ops + job.count; ++op) {
        wanted = wanted || op->kind == JSV_OP_SESSION;
    }
    if (!wanted) return;
    const long code = raw::call(SYS_setsid);
    if (code != -EPERM) require(gate, kStepEnter, code);
    // For interrupts and job control. Refused where it is a session's already, as a user's own
    // terminal is: then it stays a mere descriptor (tty_ioctl(4)).
    if (job.terminal) raw::call(SYS_ioctl, STDIN_FILENO, TIOCSCTTY, 0);
}

template <typename Apply>
void settle_each(const ProgramJob& job, int gate, const Apply& apply) noexcept {
    for (const ChildOp* op = job.ops; op != job.ops + job.count; ++op) {
        settle(gate, *op, apply(*op));
    }
}

void take_identity(const ProgramJob& job, int gate) noexcept {
    require(gate, kStepKeyring, leave_session_keyring());
    const StepOutcome identity = apply_identity(job);
    hide_from_tracers(gate);
    if (!identity.outcome.ok()) settle(gate, job.ops[identity.op], identity.outcome);
}

void lock_down(const ProgramJob& job, int gate, LandlockState& landlock) noexcept {
    settle_each(job, gate, [&](const ChildOp& op) {
        settle(gate, op, apply_lockdown(op));
        return apply_landlock(landlock, op);
    });
}

/// Without the keeper nobody would reap, restart or stop us; the end of a jail's init ends its
/// jail. After the ids, whose change clears it (prctl(2)); our parent is the keeper, not the
/// jailer.
void end_with_keeper(int gate) noexcept {
    require(gate, kStepIsolation, raw::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

}  // namespace

int report(int gate, GateReport::Kind kind, std::uint32_t op, Outcome outcome) noexcept {
    const GateReport packet{kind, op, outcome.code, outcome.about};
    int code = 0;
    do {
        code = raw::call_int(SYS_sendto, gate, &packet, sizeof packet, MSG_NOSIGNAL, nullptr, 0);
    } while (code == -EINTR);
    return code;
}

void await_gate(int gate) noexcept {
    char go = 0;
    long count = 0;
    do {
        count = raw::call(SYS_read, gate, &go, 1);
    } while (count == -EINTR);
    // The jailer, which has opened the gate, would take our end for the exec.
    require(gate, kStepReport, count);
    if (count != 1) raw::exit_now(kFailedStatus);
}

void run_stub(const StubJob& given) noexcept {
    StubJob job = given;
    enter_cgroups(job);
    if ((job.namespaces & CLONE_NEWCGROUP) != 0) {
        require(job.gate, kStepCgroup, raw::call(SYS_unshare, CLONE_NEWCGROUP));
    }
    arrange_stub_descriptors(job);
    require(kStubGate, kStepIsolation, unblock_signals());
    hide_from_tracers(kStubGate);
    raw::call(SYS_umask, 0);
    // The jailer writes the maps, which only a privileged process of the parent namespace may.
    if ((job.namespaces & CLONE_NEWUSER) != 0) await_gate(kStubGate);
    build_file_system(job);
    require(kStubGate, kStepLockStub, lock_stub());
    end_with_keeper(kStubGate);
    // The first program may be on its way while our own is executed.
    require(kStubGate, kStepReport, report(kStubGate, Kind::kBuilt, 0));
    const char* const argv[] = {"jailsvc-stub", nullptr};
    const char* const environment[] = {nullptr};
    const long code = raw::call(SYS_execveat, kStubProgram, "", argv, environment, AT_EMPTY_PATH);
    require(kStubGate, kStepExec, code);
    raw::exit_now(kFailedStatus);
}

void run_program(const ProgramJob& job) noexcept {
    ProgramJob here = job;
    int gate = job.gate;
    int stub = job.stub;
    enter_cgroups(job);
    tell_own_pid(job.pid_digits);
    require(gate, kStepIsolation, unblock_signals());
    arrange_program_descriptors(here, gate, stub);
    settle_each(job, gate, [&](const ChildOp& op) { return apply_before_entry(job, op); });
    hide_from_tracers(gate);
    if (job.waits) await_gate(gate);
    enter_jail(job, gate, stub);
    start_session(job, gate);
    settle_each(job, gate, [](const ChildOp& op) { return apply_inside(op); });
    LandlockState landlock{};
    landlock.job = &here;
    settle_each(job, gate, [&](const ChildOp& op) { return prepare_landlock(landlock, op); });
    take_identity(job, gate);
    change_directory(job, gate);
    ask_for_time_slice(0);  // short ones are for what is ours
    lock_down(job, gate, landlock);
    if (here.probe >= 0) raw::close(here.probe);
    if (job.stub < 0) end_with_keeper(gate);
    const Sealing sealing = seal(job, gate, landlock.evidence);
    if (!sealing.outcome.ok()) settle(gate, *sealing.op, sealing.outcome);
    // From here on only what every filter lets pass, see JSV_OP_SECCOMP.
    if (!sealing.exec_is_gate) {
        require(gate, kStepReport, report(gate, Kind::kReady, landlock.evidence));
        await_gate(gate);
    }
    const long code =
        here.executable >= 0
            ? raw::call(SYS_execveat, here.executable, "", job.argv, job.environment, AT_EMPTY_PATH)
            : raw::call(SYS_execve, job.argv[0], job.argv, job.environment);
    require(gate, kStepExec, code);
    raw::exit_now(kFailedStatus);
}

}  // namespace jailsvc::jailer
