#include "jailer/credentials/command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>

#include "base/sys.hpp"
#include "jailer/credentials/complaint.hpp"
#include "jailer/plan/credential_limits.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::uint64_t kTmpBytes = 16U << 20;
constexpr std::uint32_t kQuiet = JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV;

/// One operation of the command's jail.
struct Wanted {
    jsv_kind kind;
    std::string path{};
    std::array<std::uint64_t, 3> number{};
    std::uint32_t flags = 0;
};

Op make(const Wanted& wanted) {
    Op op;
    op.kind = wanted.kind;
    op.stage = find_kind(wanted.kind)->stage;
    op.flags = wanted.flags;
    op.number = wanted.number;
    op.text[0] = wanted.path;
    op.plugin = "core";
    return op;
}

Plan plan_of(const CommandPlace& place, const std::string& unit) {
    std::vector<Wanted> all;
    for (const std::uint64_t type : {CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUTS}) {
        all.push_back({JSV_OP_NAMESPACE, {}, {type}});
    }
    all.push_back({JSV_OP_ROOT, "/", {}, kQuiet | JSV_MOUNT_READ_ONLY});
    all.push_back({JSV_OP_TMPFS, "/tmp", {kTmpBytes, 01777}, kQuiet | JSV_MOUNT_NOEXEC});
    all.push_back({JSV_OP_PROC, "/proc", {2}, kQuiet | JSV_MOUNT_NOEXEC});
    all.push_back({JSV_OP_DEV, "/dev"});
    all.push_back({JSV_OP_MASK, "/home", {}, JSV_MOUNT_OPTIONAL});
    all.push_back({JSV_OP_MASK, "/root", {}, JSV_MOUNT_OPTIONAL});
    for (const std::string& directory : place.hidden) {
        all.push_back({JSV_OP_MASK, directory, {}, JSV_MOUNT_OPTIONAL});
    }
    all.push_back({JSV_OP_RLIMIT, {}, {RLIMIT_CORE, 0, 0}});
    all.push_back({JSV_OP_UMASK, {}, {077}});
    all.push_back({JSV_OP_SESSION});
    all.push_back({JSV_OP_IDS, {}, {kCommandUid, kCommandUid}});
    all.push_back({JSV_OP_CAPABILITIES});
    all.push_back({JSV_OP_NO_NEW_PRIVS});
    Plan plan{.unit = unit, .digest = {}, .ops = {}, .environment = {}};
    for (const Wanted& one : all) plan.ops.push_back(make(one));
    return plan;
}

std::vector<std::string> split(std::string_view words) {
    std::vector<std::string> argv;
    while (!words.empty()) {
        const std::size_t end = words.find(' ');
        if (end != 0) argv.emplace_back(words.substr(0, end));
        words = end == std::string_view::npos ? std::string_view() : words.substr(end + 1);
    }
    return argv;
}

/// Until the descriptor has something to say.
Result<void> await(int fd, Deadline deadline) {
    pollfd watched{.fd = fd, .events = POLLIN, .revents = 0};
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return fail("took too long", ETIMEDOUT);
        const int timeout = static_cast<int>(std::min<long long>(left.count(), INT_MAX));
        const int ready = ::poll(&watched, 1, timeout);
        if (ready == 1) return {};
        if (ready == -1 && errno != EINTR) return fail_errno("poll");
    }
}

/// The jail of one command; ends with it.
class CommandJail {
public:
    CommandJail(const CommandPlace& place, CompiledPlan plan, Deadline deadline)
        : place_(place), plan_(std::move(plan)), deadline_(deadline) {}
    CommandJail(const CommandJail&) = delete;
    CommandJail& operator=(const CommandJail&) = delete;
    /// The end of the init waits for that of all in its pid namespace, and for us to have reaped
    /// what is our child there (pid_namespaces(7); zap_pid_ns_processes in the kernel).
    ~CommandJail() {
        if (init_.pid <= 0) return;
        (void)sys::pidfd_signal(init_.pidfd.get(), SIGKILL);
        (void)reap(program_);
        (void)reap(init_);
    }

    Result<void> build() {
        auto init = spawn_stub(place_.spawn, plan_, kIds, -1, place_.groups);
        if (!init) return tell(init.error());
        init_ = std::move(*init);
        TRY_VOID(await_ready(init_));
        if (auto held = attest_jail(place_.spawn, plan_, kIds, init_.pid); !held)
            return tell(held.error());
        if (auto harmless = attest_init(init_.pid); !harmless) return tell(harmless.error());
        return {};
    }

    Result<void> start(const Program& program) {
        auto parked =
            spawn_program(place_.spawn, plan_, kIds, init_.pidfd.get(), program, place_.groups);
        if (!parked) return tell(parked.error());
        program_ = std::move(*parked);
        TRY_VOID(await_ready(program_));
        auto held = attest_program(plan_, kIds, init_.pid, program_.pid);
        if (!held) return tell(held.error());
        TRY_VOID(open_gate(program_));
        TRY_VOID(await(program_.gate.get(), deadline_));
        const auto end = read_report(plan_, program_);
        if (end && end->kind == Report::Kind::kEnd) return {};
        if (end) return tell(end->failure);
        return fail("no answer from its exec", EPROTO);
    }

    /// Its wait status, once it has closed its output.
    Result<int> finish() {
        TRY_VOID(await(program_.pidfd.get(), deadline_));
        return reap(program_);
    }

private:
    static constexpr ResolvedIds kIds{kCommandUid, kCommandUid};

    static int reap(Parked& process) {
        int status = 0;
        if (process.pid > 0) {
            while (::waitpid(process.pid, &status, 0) == -1 && errno == EINTR) {
            }
        }
        process.pid = -1;
        return status;
    }

    std::unexpected<Error> tell(const JailFailure& failure) const {
        return fail(describe(plan_.plan(), failure), failure.code);
    }

    Result<void> await_ready(Parked& parked) {
        for (;;) {
            TRY_VOID(await(parked.gate.get(), deadline_));
            const auto report = read_report(plan_, parked);
            if (!report || report->kind == Report::Kind::kBuilt) continue;
            if (report->kind == Report::Kind::kReady) return {};
            if (report->kind == Report::Kind::kEnd) return fail("its jail ended", ECHILD);
            return tell(report->failure);
        }
    }

    const CommandPlace& place_;
    CompiledPlan plan_;
    Deadline deadline_;
    Parked init_;
    Parked program_;
};

/// With what it said of it, if it did.
Result<void> check_end(int status, const std::string& shown, const std::string& said) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    std::string how = WIFEXITED(status)
                          ? fmt::format("{}: exited with status {}", shown, WEXITSTATUS(status))
                          : fmt::format("{}: was ended by signal {}", shown, WTERMSIG(status));
    if (!said.empty()) how += ": " + said;
    return fail(how + fmt::format("; try it by hand as uid {}", kCommandUid), EIO);
}

/// A pipe for what it writes.
struct Outlet {
    Fd output, input;
    [[nodiscard]] static Result<Outlet> make(int flags) {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC | flags) == -1) return fail_errno("pipe2");
        return Outlet{Fd(ends[0]), Fd(ends[1])};
    }
};

}  // namespace

Result<Secret> run_command(const CommandPlace& place, const SecretCommand& command,
                           Deadline deadline) {
    Program program;
    program.argv = split(command.words);
    if (program.argv.empty()) return fail("no program", EINVAL);
    const std::string& shown = program.argv.front();
    program.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                           "JAILSVC_UNIT=" + command.unit, "JAILSVC_CREDENTIAL=" + command.name};
    TRY(Outlet output, Outlet::make(0));
    // Read when it has ended: beyond what the pipe holds its complaints are refused (EAGAIN), so
    // that it does not wait for a reader.
    TRY(Outlet errors, Outlet::make(O_NONBLOCK));
    program.stdout_fd = output.input.get();
    program.stderr_fd = errors.input.get();

    TRY(CompiledPlan plan, CompiledPlan::make(plan_of(place, command.unit)));
    CommandJail jail(place, std::move(plan), deadline);
    TRY_VOID(jail.build());
    auto started = jail.start(program);
    if (!started) return fail_in(shown, std::move(started).error());
    output.input = Fd();
    TRY(Secret secret, read_secret(output.output.get(), kMaxCredential, shown, deadline));
    const auto status = jail.finish();
    if (!status) return fail_in(shown, status.error());
    TRY_VOID(check_end(*status, shown, complaint(errors.output.get(), secret.bytes())));
    return secret;
}

}  // namespace jailsvc::jailer
