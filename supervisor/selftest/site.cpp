#include "selftest/site.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "base/sys.hpp"
#include "config/load.hpp"
#include "jailer/credentials/job.hpp"
#include "jailer/jail/ground.hpp"
#include "selftest/own_groups.hpp"

namespace jailsvc::selftest {
namespace {

constexpr int kLimitMs = 20'000;  ///< for whatever is waited for; passing it is a failure
constexpr const char* kUnit = "probe";
constexpr uid_t kDynamicUid = 61999;
constexpr std::uint32_t kOwnRange = 28000U << 16;  ///< of a user namespace without maps

[[noreturn]] void give_up(const std::string& why) {
    throw std::runtime_error(why);
}

template <typename T>
T expect(Result<T> result) {
    if (!result) give_up(result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

bool wait_readable(int fd) {
    pollfd watched{.fd = fd, .events = POLLIN, .revents = 0};
    int count = 0;
    do {
        count = ::poll(&watched, 1, kLimitMs);
    } while (count == -1 && errno == EINTR);
    return count == 1;
}

/// Waits for a report, or for the exec that stands at its gate.
bool wait_for(const jailer::Parked& parked) {
    pollfd watched[] = {{parked.gate.get(), POLLIN, 0}, {parked.listener.get(), POLLIN, 0}};
    int count = 0;
    do {
        count = ::poll(watched, 2, kLimitMs);
    } while (count == -1 && errno == EINTR);
    return count > 0;
}

int reap(int pidfd) {
    siginfo_t info{};
    const auto id = static_cast<id_t>(pidfd);
    while (::waitid(P_PIDFD, id, &info, WEXITED | __WALL) == -1 && errno == EINTR) {
    }
    return info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : info.si_status;
}

/// Ends and reaps the process when it is done with, however that comes.
class Reaped {
public:
    explicit Reaped(jailer::Parked parked) : parked_(std::move(parked)) {}
    Reaped(const Reaped&) = delete;
    Reaped& operator=(const Reaped&) = delete;
    ~Reaped() {
        if (!done_) (void)end();
    }
    int end() {
        (void)sys::pidfd_signal(parked_.pidfd.get(), SIGKILL);
        return wait();
    }
    int wait() {
        done_ = true;
        return reap(parked_.pidfd.get());
    }
    [[nodiscard]] jailer::Parked& get() { return parked_; }
    [[nodiscard]] const jailer::Parked& get() const { return parked_; }

private:
    jailer::Parked parked_;
    bool done_ = false;
};

/// Why the process did not get ready; empty if it did.
std::string await_ready(const jailer::CompiledPlan& plan, jailer::Parked& parked,
                        std::uint32_t* evidence = nullptr) {
    while (wait_for(parked)) {
        const auto report = jailer::read_report(plan, parked);
        if (!report) continue;
        switch (report->kind) {
            case jailer::Report::Kind::kReady:
                if (evidence != nullptr) *evidence = report->evidence;
                return "";
            case jailer::Report::Kind::kBuilt:
            case jailer::Report::Kind::kWeakened:
                continue;
            case jailer::Report::Kind::kFailed:
                return jailer::describe(plan.plan(), report->failure);
            case jailer::Report::Kind::kEnd:
            case jailer::Report::Kind::kMain:
                return "it ended before it was ready";
        }
    }
    return "it was not ready in time";
}

std::string await_exec(const jailer::CompiledPlan& plan, jailer::Parked& parked) {
    if (!jailer::send_main_filter(plan, parked)) return "no filter for main";
    if (!jailer::open_gate(parked)) return "the gate did not open";
    if (!wait_readable(parked.gate.get())) return "no exec in time";
    auto report = jailer::read_report(plan, parked);
    if (report && report->kind == jailer::Report::Kind::kMain) {
        const auto held = jailer::attest_main(plan, parked.pid);
        if (!held) return jailer::describe(plan.plan(), held.error());
        parked.main = jailer::Parked::Main::kReached;
        if (!jailer::open_gate(parked)) return "the gate did not open at main";
        if (!wait_readable(parked.gate.get())) return "no main in time";
        report = jailer::read_report(plan, parked);
    }
    if (parked.main == jailer::Parked::Main::kAwaited) return "it ended before its main";
    if (!report) return "nothing at the gate";
    return report->kind == jailer::Report::Kind::kEnd
               ? ""
               : jailer::describe(plan.plan(), report->failure);
}

std::string read_all(int fd) {
    std::string text;
    char buffer[4096];
    while (wait_readable(fd)) {
        const ssize_t count = ::read(fd, buffer, sizeof buffer);
        if (count <= 0) return text;
        text.append(buffer, static_cast<std::size_t>(count));
    }
    give_up("the program went on for longer than it may; it has said: " + text);
}

jailer::ResolvedIds ids_of(const jailer::Plan& plan) {
    for (const auto& op : plan.ops) {
        if (op.kind != JSV_OP_IDS) continue;
        const bool dynamic = (op.flags & JSV_IDS_DYNAMIC) != 0;
        return {.uid = dynamic ? kDynamicUid : static_cast<uid_t>(op.number[0]),
                .gid = dynamic ? kDynamicUid : static_cast<gid_t>(op.number[1]),
                .range = kOwnRange,
                .keeper = kDynamicUid};
    }
    return {.range = kOwnRange, .keeper = kDynamicUid};
}

/// As the jailer reads them; empty where the plan has none.
jailer::Jailed<Fd> read_credentials(const jailer::CompiledPlan& plan, jailer::ResolvedIds ids,
                                    const jailer::SpawnContext& context, const Places& places) {
    if (plan.find(JSV_OP_CREDENTIALS) == nullptr) return Fd();
    auto job = jailer::CredentialJob::start(
        {.plan = plan, .ids = ids, .places = places, .spawn = context, .groups = {}});
    if (!job) return std::unexpected(job.error());
    if (!wait_readable(job->fd())) return std::unexpected(job->late());
    return job->finish();
}

/// A jail from its parent's operations to its init; undone at the end.
struct Jail {
    const jailer::CompiledPlan& plan;
    jailer::cgroup::Tree* groups = nullptr;  ///< where it has a group
    jailer::cgroup::Door door{};
    jailer::ResolvedIds ids = ids_of(plan.plan());
    std::optional<Reaped> stub{};

    ~Jail() {
        stub.reset();
        if (groups != nullptr) {
            groups->kill(kUnit);
            (void)groups->remove(kUnit);
        }
        jailer::undo_parent_operations(plan);
    }
    [[nodiscard]] int stub_fd() const { return stub ? stub->get().pidfd.get() : -1; }
    [[nodiscard]] pid_t stub_pid() const { return stub ? stub->get().pid : -1; }

    /// Why it does not stand; empty if it does.
    std::string raise(const jailer::SpawnContext& context, const Places& places) {
        const auto describe = [this](const auto& failure) {
            return jailer::describe(plan.plan(), failure);
        };
        auto work = jailer::apply_parent_operations(plan, ids);
        if (!work) return describe(work.error());
        for (const auto& one : work->handovers) {
            if (auto given = jailer::hand_over(one); !given) return given.error().message;
        }
        if (auto why = limit(); !why.empty()) return why;
        if (!plan.needs_stub()) return "";
        auto credentials = read_credentials(plan, ids, context, places);
        if (!credentials) return describe(credentials.error());
        auto parked = jailer::spawn_stub(context, plan, ids, -1, door.entry(), credentials->get(),
                                         work->trees);
        if (!parked) return describe(parked.error());
        stub.emplace(std::move(*parked));
        if (auto why = await_ready(plan, stub->get()); !why.empty()) return why;
        const auto seen = jailer::attest_jail(context, plan, ids, stub_pid());
        return seen ? "" : describe(seen.error());
    }

private:
    /// Why its limits are not set; empty if they are.
    std::string limit() {
        if (groups == nullptr) return "";
        const auto made = groups->make(kUnit, {}, plan);
        if (!made) return jailer::describe(plan.plan(), made.error());
        auto opened = groups->open_door(kUnit);
        if (!opened) return opened.error().message;
        door = std::move(*opened);
        return "";
    }
};

Ran run_in(const Jail& jail, const jailer::SpawnContext& context,
           const std::vector<std::string>& argv) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return {.error = "pipe2"};
    const Fd output(ends[0]);
    Fd input(ends[1]);
    const jailer::Plan plan = jail.plan.plan();
    const jailer::Program program{.argv = argv,
                                  .environment = plan.environment,
                                  .working_directory = "",
                                  .stdout_fd = input.get(),
                                  .stderr_fd = input.get(),
                                  .passed = {},
                                  .pid_variable = {}};
    auto parked = jailer::spawn_program(context, jail.plan, jail.ids, jail.stub_fd(), program,
                                        jail.door.entry());
    if (!parked) return {.error = jailer::describe(plan, parked.error())};
    Reaped process(std::move(*parked));
    input = Fd();
    std::uint32_t evidence = 0;
    if (auto why = await_ready(jail.plan, process.get(), &evidence); !why.empty()) {
        return {.error = why};
    }
    const auto seen = jailer::attest_program(jail.plan, jail.ids, jail.stub_pid(),
                                             process.get().pid, {}, evidence);
    if (!seen) return {.error = jailer::describe(plan, seen.error())};
    if (jail.groups != nullptr) {
        const auto held = jail.groups->attest(kUnit, jail.plan, process.get().pid);
        if (!held) return {.error = jailer::describe(plan, held.error())};
    }
    if (auto why = await_exec(jail.plan, process.get()); !why.empty()) return {.error = why};
    Ran ran{.output = read_all(output.get())};
    ran.status = process.wait();
    return ran;
}

}  // namespace

OwnDirectory::OwnDirectory()
    : path_(fmt::format("/var/lib/jailsvc-selftest-{}-XXXXXX", ::getpid())) {
    if (::mkdtemp(path_.data()) == nullptr || ::chmod(path_.c_str(), 0755) == -1) {
        give_up(fmt::format("{}: {}", path_, ::strerrordesc_np(errno)));
    }
}
OwnDirectory::~OwnDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Site::Site(Limits limits)
    : places_(expect(Places::from_arguments(
          {"--state", directory() + "/state", "--config", directory() + "/config"}))),
      plugins_(jailer::PluginHost::load(places_)),
      stub_program_(expect(sys::open(places_.stub, O_PATH))) {
    for (const auto& path : {places_.run, places_.lib, places_.log, directory() + "/config/units",
                             directory() + "/config/profiles", directory() + "/stage",
                             directory() + "/open", places_.state_root}) {
        expect(sys::make_directories(path));
    }
    for (const auto& refusal : plugins_.refusals()) give_up(refusal);
    jailer::ignore_no_signals();
    context_.clone_parent = false;
    context_.stub_program = stub_program_.get();
    context_.stage_directory = directory() + "/stage";
    probe_ = expect(jailer::open_probe());
    context_.probe = probe_.get();
    // As the jailer has it: what is tested is what runs.
    if (auto ground = jailer::Ground::make(context_.stage_directory)) {
        context_.ground = std::make_shared<const jailer::Ground>(std::move(*ground));
    }
    if (limits == Limits::kSet) groups_.emplace(own_groups());
}

Site::~Site() {
    if (groups_) groups_->end();
}

Result<jailer::CompiledPlan> Site::plan(const std::string& jail) {
    std::ofstream(directory() + "/config/units/probe.toml")
        << "[service]\nexec_start = [\"/bin/sh\"]\n"
        << jail;
    const config::Sources sources{.unit_dirs = places_.unit_dirs,
                                  .profile_dirs = places_.profile_dirs,
                                  .state_root = places_.state_root,
                                  .runtime_root = places_.runtime_root};
    config::JailPlaces places;
    const auto unit = config::load_unit(sources, plugins_.schema(), "probe", &places);
    if (!unit) {
        const auto& first = unit.error().front();
        return fail(fmt::format("{}:{}: {}", first.file, first.line, first.message));
    }
    TRY(jailer::PlanJob job, plugins_.begin_plan(*unit, std::move(places)));
    if (!wait_readable(job.fd())) return fail("the plan worker did not end");
    TRY(jailer::Plan plan, plugins_.finish_plan(std::move(job)));
    return jailer::CompiledPlan::make(std::move(plan));
}

Ran Site::run(const std::string& jail_tables, const std::string& script) {
    return execute(jail_tables, {"/bin/sh", "-c", script});
}

Ran Site::execute(const std::string& jail_tables, const std::vector<std::string>& argv) {
    const auto compiled = plan(jail_tables);
    if (!compiled) return {.error = compiled.error().message};
    const bool limited = groups_ && compiled->find(JSV_OP_CGROUP) != nullptr;
    Jail jail{*compiled, limited ? &*groups_ : nullptr};
    if (auto why = jail.raise(context_, places_); !why.empty()) return {.error = why};
    return run_in(jail, context_, argv);
}

}  // namespace jailsvc::selftest
