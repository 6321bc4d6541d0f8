#include "jail_fixture.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/sys.hpp"
#include "jailer/credentials/store.hpp"
#include "jailer/jail/ground.hpp"
#include "own_groups.hpp"

namespace jailsvc::jailer::test {
namespace {

constexpr int kPatienceMs = 20000;
constexpr uid_t kUser = 64123;

CompiledPlan compile(Plan plan) {
    auto compiled = CompiledPlan::make(std::move(plan));
    if (!compiled) throw std::runtime_error(compiled.error().message);
    return std::move(*compiled);
}

void await_readable(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    if (::poll(&waiting, 1, kPatienceMs) != 1) throw std::runtime_error("nothing came in time");
}

std::string read_all(int fd) {
    std::string text;
    char block[4096];
    for (;;) {
        await_readable(fd);
        const ssize_t count = ::read(fd, block, sizeof block);
        if (count <= 0) return text;
        text.append(block, static_cast<std::size_t>(count));
    }
}

/// "secret NAME" for each that the plan has.
Fd make_credentials(const CompiledPlan& plan, ResolvedIds ids) {
    if (plan.find(JSV_OP_CREDENTIALS) == nullptr) return {};
    const auto expect = [](const Result<void>& done) {
        if (!done) throw std::runtime_error(done.error().message);
    };
    const CredentialStore::Owner owner{ids.uid, ids.gid};
    auto store = CredentialStore::make();
    if (!store) throw std::runtime_error(store.error().message);
    plan.for_each(JSV_OP_CREDENTIAL, [&](std::uint32_t, const Op& op) {
        const std::string text = "secret " + op.text[0];
        auto secret = Secret::make(text.size());
        if (!secret) throw std::runtime_error(secret.error().message);
        std::ranges::copy(text, secret->room().begin());
        secret->set_size(text.size());
        expect(store->add(op.text[0], *secret, owner));
    });
    expect(store->seal(owner));
    return store->take();
}

}  // namespace

bool can_jail() {
    return ::geteuid() == 0;
}

Op make_op(jsv_kind kind, OpFields fields) {
    Op op;
    op.kind = kind;
    op.stage = find_kind(kind)->stage;
    op.flags = fields.flags;
    op.number = fields.number;
    op.text = std::move(fields.text);
    op.blob = std::move(fields.blob);
    op.plugin = "test";
    op.optional = fields.optional;
    return op;
}

Plan make_plan(std::vector<Op> ops) {
    Plan plan;
    plan.unit = "probe";
    plan.ops = std::move(ops);
    return plan;
}

std::vector<Op> usual_namespaces() {
    std::vector<Op> ops;
    for (const std::uint64_t type :
         {CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP}) {
        ops.push_back(make_op(JSV_OP_NAMESPACE, {.number = {type}}));
    }
    return ops;
}

Plan default_plan() {
    constexpr std::uint32_t kQuiet = JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV;
    std::vector<Op> ops = usual_namespaces();
    ops.push_back(make_op(JSV_OP_HOSTNAME, {.text = {"probe"}}));
    ops.push_back(make_op(JSV_OP_ROOT, {.flags = JSV_MOUNT_READ_ONLY | kQuiet, .text = {"/"}}));
    ops.push_back(
        make_op(JSV_OP_TMPFS, {.flags = kQuiet, .number = {16U << 20, 01777}, .text = {"/tmp"}}));
    ops.push_back(
        make_op(JSV_OP_TMPFS, {.flags = kQuiet, .number = {4U << 20, 0755}, .text = {"/run"}}));
    ops.push_back(make_op(JSV_OP_PROC,
                          {.flags = kQuiet | JSV_MOUNT_NOEXEC, .number = {2}, .text = {"/proc"}}));
    ops.push_back(make_op(JSV_OP_DEV, {.text = {"/dev"}}));
    ops.push_back(
        make_op(JSV_OP_FILE, {.flags = JSV_MOUNT_CREATE, .text = {"/run/jailed", "probe\n"}}));
    for (const char* hidden :
         {"/home", "/root", "/proc/kcore", "/proc/sysrq-trigger", "/proc/keys"}) {
        ops.push_back(make_op(JSV_OP_MASK, {.flags = JSV_MOUNT_OPTIONAL, .text = {hidden}}));
    }
    ops.push_back(make_op(JSV_OP_READ_ONLY, {.text = {"/proc/sys"}}));
    ops.push_back(make_op(JSV_OP_RLIMIT, {.number = {7 /* NOFILE */, 512, 1024}}));
    ops.push_back(make_op(JSV_OP_UMASK, {.number = {027}}));
    ops.push_back(make_op(JSV_OP_SESSION));
    ops.push_back(make_op(JSV_OP_IDS, {.number = {kUser, kUser}}));
    ops.push_back(make_op(JSV_OP_CAPABILITIES));
    ops.push_back(make_op(JSV_OP_NO_NEW_PRIVS));
    return make_plan(std::move(ops));
}

TempDirectory::TempDirectory() : path_("/tmp/jailsvc-test-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp");
    if (::chmod(path_.c_str(), 0755) == -1) throw std::runtime_error("chmod");
}
TempDirectory::~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

const SpawnContext& spawn_context() {
    static const TempDirectory stage;
    static const SpawnContext context = [] {
        ignore_no_signals();
        const auto here = sys::program_directory();
        if (!here) throw std::runtime_error(here.error().message);
        auto stub = sys::open(*here + "/../lib/jailsvc/jailsvc-stub", O_PATH);
        if (!stub) throw std::runtime_error(stub.error().message);
        auto probe = open_probe();
        if (!probe) throw std::runtime_error(probe.error().message);
        SpawnContext made{false, stub->release(), stage.path(), probe->release()};
        if (auto ground = Ground::make(stage.path())) {
            made.ground = std::make_shared<const Ground>(std::move(*ground));
        }
        return made;
    }();
    return context;
}

Report await_report(const CompiledPlan& plan, Parked& parked) {
    for (;;) {
        const auto report = read_report(plan, parked);
        if (report && report->kind == Report::Kind::kBuilt) continue;
        if (report) return *report;
        pollfd waiting[] = {{parked.gate.get(), POLLIN, 0}, {parked.listener.get(), POLLIN, 0}};
        if (::poll(waiting, 2, kPatienceMs) < 1) throw std::runtime_error("nothing came in time");
    }
}

int await_end(const Parked& parked) {
    await_readable(parked.pidfd.get());
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(parked.pidfd.get()), &info, WEXITED) == -1) {
        throw std::runtime_error("waitid");
    }
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

Jail::Jail(Plan plan, ResolvedIds ids)
    : groups_(own_groups()), plan_(compile(std::move(plan))), ids_(ids) {
    auto limited = groups_.make(plan_.plan().unit, {}, plan_);
    if (!limited) {
        failure_ = limited.error();
        return;
    }
    weakened_ = std::move(*limited);
    if (!plan_.needs_stub()) {
        stands_ = true;
        return;
    }
    const auto door = groups_.open_door(plan_.plan().unit);
    if (!door) throw std::runtime_error(door.error().message);
    const Fd credentials = make_credentials(plan_, ids_);
    auto spawned = spawn_stub(spawn_context(), plan_, ids_, -1, door->entry(), credentials.get());
    if (!spawned) {
        failure_ = spawned.error();
        return;
    }
    stub_ = std::move(*spawned);
    for (;;) {
        Report report = await_report(plan_, stub_);
        if (report.kind == Report::Kind::kWeakened) {
            weakened_.push_back(report.failure);
            continue;
        }
        stands_ = report.kind == Report::Kind::kReady;
        failure_ = report.failure;
        break;
    }
    if (!stands_) return;
    auto held = attest_jail(spawn_context(), plan_, ids_, stub_.pid);
    if (const auto harmless = attest_init(stub_.pid); held && !harmless) {
        held = std::unexpected(harmless.error());
    }
    if (held) {
        weakened_.insert(weakened_.end(), held->begin(), held->end());
    } else {
        stands_ = false;
        failure_ = held.error();
    }
}

Jail::~Jail() {
    if (stub_.pid > 0) {
        (void)sys::pidfd_signal(stub_.pidfd.get(), SIGKILL);
        (void)await_end(stub_);
    }
    groups_.end();
}

std::string Jail::why() const {
    return stands_ ? "" : describe(plan_.plan(), failure_);
}

Jailed<Parked> Jail::park(const Program& program) {
    const auto door = groups_.open_door(plan_.plan().unit);
    if (!door) throw std::runtime_error(door.error().message);
    auto parked = spawn_program(spawn_context(), plan_, ids_,
                                stub_.pid > 0 ? stub_.pidfd.get() : -1, program, door->entry());
    if (!parked) return parked;
    for (;;) {
        Report report = await_report(plan_, *parked);
        evidence_ = report.evidence;
        if (report.kind == Report::Kind::kReady) return parked;
        if (report.kind == Report::Kind::kWeakened) {
            weakened_.push_back(report.failure);
            continue;
        }
        (void)await_end(*parked);
        return std::unexpected(report.failure);
    }
}

Ran Jail::run(Program program) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) throw std::runtime_error("pipe2");
    const Fd out(ends[0]);
    Fd in(ends[1]);
    program.stdout_fd = program.stderr_fd = in.get();
    auto parked = park(program);
    if (!parked) throw std::runtime_error(describe(plan_.plan(), parked.error()));
    const auto held =
        attest_program(plan_, ids_, stub_.pid, parked->pid, *identify(program.passed), evidence_);
    if (!held) {
        parked->gate = Fd();
        (void)await_end(*parked);
        throw std::runtime_error(describe(plan_.plan(), held.error()));
    }
    in = Fd();
    if (!open_gate(*parked)) throw std::runtime_error("gate");
    const Report end = await_report(plan_, *parked);
    if (end.kind != Report::Kind::kEnd) {
        (void)await_end(*parked);
        return {describe(plan_.plan(), end.failure), 127};
    }
    Ran ran;
    ran.output = read_all(out.get());
    ran.status = await_end(*parked);
    return ran;
}

Ran Jail::run(std::vector<std::string> argv) {
    Program program;
    program.argv = std::move(argv);
    program.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    return run(std::move(program));
}

Ran Jail::shell(const std::string& script) {
    return run(std::vector<std::string>{"/bin/sh", "-c", script});
}

}  // namespace jailsvc::jailer::test
