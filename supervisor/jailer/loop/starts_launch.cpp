// A start from its jail to its process: what is to be executed, with which surroundings.

#include <fmt/format.h>

#include <sstream>

#include "base/sys.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/loop/invocation.hpp"
#include "jailer/loop/notify_sockets.hpp"
#include "jailer/loop/starts_work.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kChildLimit = 30;     ///< [s] from where it may enter its jail to its exec
constexpr std::size_t kFewAtOnce = 8;  ///< starts that keep their plans as a whole

/// The process's pid as its own namespace counts (proc(5), NSpid), for $MAINPID.
std::string pid_in_jail(pid_t pid) {
    const auto status = sys::read_file(fmt::format("/proc/{}/status", pid), 65536);
    const auto line = status ? status->find("\nNSpid:") : std::string::npos;
    std::string last = std::to_string(pid);
    if (line == std::string::npos) return last;
    std::istringstream numbers(status->substr(line + 7, status->find('\n', line + 1) - line - 7));
    while (numbers >> last) {
    }
    return last;
}

/// The program as an absolute jail path.
Result<std::string> locate(const std::string& name, std::string_view path, const Jail& jail) {
    if (name.starts_with('/')) return name;
    const std::string root =
        jail.has_stub() ? fmt::format("/proc/{}/root", jail.stub_pid) : std::string("/");
    TRY(const Fd directory, sys::open(root, O_PATH | O_DIRECTORY));
    return find_program(directory.get(), name, path);
}

/// As sd_watchdog_enabled(3) reads it, which takes it for its own where no WATCHDOG_PID is set.
void add_watchdog(Environment& environment, const LoadedUnit& loaded) {
    using std::chrono::microseconds;
    const auto interval = std::chrono::duration_cast<microseconds>(loaded.unit.readiness->watchdog);
    if (interval.count() > 0) environment["WATCHDOG_USEC"] = std::to_string(interval.count());
}

/// The latest: a service may have named another one than was launched.
const Member* running_main(const Jail& jail) {
    const Member* found = nullptr;
    for (const auto& [token, member] : jail.members) {
        if (member->purpose != ipc::Purpose::kMain || !member->executed) continue;
        if (found == nullptr || found->token < token) found = member.get();
    }
    return found;
}

/// What the engine knows better than the wait status tells.
std::string_view result_told(const ipc::Start& request) {
    if (request.main_watchdog != 0) return "watchdog";
    return request.main_out_of_memory != 0 ? "oom-kill" : "";
}

}  // namespace

Result<void> Starts::give_log(Program& program, OutputFiles& files, Jail& jail) {
    const auto plan = jail.loaded->plan.whole();
    const ResolvedIds owner{.uid = host_uid(*plan, jail.ids, jail.ids.uid).value_or(jail.ids.uid),
                            .gid = host_gid(*plan, jail.ids, jail.ids.gid).value_or(jail.ids.gid)};
    // There may be thousands of them, one after the other: what they write is the listener's.
    const bool one_of_many = config::is_connection_name(jail.unit);
    const std::string log = one_of_many ? listener_of(jail.unit) : jail.unit;
    return give_output(core_, log, jail.loaded->unit, owner, program, files);
}

Result<Program> Starts::program_for(Job& job, OutputFiles& files, LentStdio::Held& lent,
                                    Jail& jail) {
    const config::ServiceCommands& service = jail.loaded->unit.service;
    Program program;
    if (const Op* directory = jail.loaded->plan.find(JSV_OP_CHDIR)) {
        program.working_directory = directory->text[0];
    }
    auto environment = base_environment(*jail.loaded->plan.whole());
    environment[kInvocation] = invocation_id(jail.unit, jail.token);
    const ExecRequest* client = job.client();
    if (job.request.purpose == ipc::Purpose::kHealth) {
        TRY_VOID(make_check(job, files, jail, program));
        if (program.executable >= 0) return program;
    } else if (client != nullptr) {
        program.argv = client->argv;
        add_variables(environment, client->environment);
        program.stdin_fd = client->stdio[0].get();
        program.terminal = client->own_terminal;
        program.stdout_fd = client->stdio[1].get();
        program.stderr_fd = client->stdio[2].get();
    } else {
        TRY(const auto command, command_of(service, job.request.purpose, job.request.command));
        program.argv.assign(command.begin(), command.end());
        TRY_VOID(give_log(program, files, jail));
    }
    if (job.request.purpose == ipc::Purpose::kMain) {
        TRY_VOID(core_.lent.give(jail.unit, *jail.loaded->unit.job, program, lent));
        TRY_VOID(listeners_.give(jail.unit, *jail.loaded->unit.socket, jail.loaded->unit.text.str(),
                                 program));
        add_variables(environment, program.environment);
    }
    if (job.request.purpose == ipc::Purpose::kStopPost) {
        add_exit_variables(environment, service, job.request.main_status, result_told(job.request));
    } else if (const Member* main = running_main(jail); main != nullptr && client == nullptr) {
        environment["MAINPID"] = pid_in_jail(main->pid);
    }
    if (job.request.purpose == ipc::Purpose::kMain) {
        core_.fd_stores.give(jail.unit, program, environment);
        add_watchdog(environment, *jail.loaded);
    }
    TRY(program.argv[0], locate(program.argv[0], environment["PATH"], jail));
    program.environment = to_strings(environment);
    return program;
}

/// A program without a path is looked up in the jail's own tree, which has to stand for it.
bool Starts::needs_look_inside(const Job& job) {
    if (const ExecRequest* client = job.client()) return !client->argv[0].starts_with('/');
    if (job.request.purpose == ipc::Purpose::kHealth) return false;  // it stands, or is not entered
    const auto command = command_of(jails_.find(job.unit)->loaded->unit.service,
                                    job.request.purpose, job.request.command);
    return command && !(*command)[0].starts_with('/');
}

void Starts::launch(Job& job, Jail& jail) {
    job.entered = true;
    OutputFiles files;
    std::vector<Fd> tells;
    LentStdio::Held lent;
    auto program = program_for(job, files, lent, jail);
    if (!program) return fail_job(job, to_failure("program", program.error()));
    if (job.request.purpose == ipc::Purpose::kMain) {
        if (auto begun = begin_main(job, jail, *program, tells); !begun) {
            return fail_job(job, begun.error());
        }
    }
    auto passed = identify(program->passed);
    if (!passed) return fail_job(job, to_failure("program", passed.error()));
    std::optional<FileIdentity> executable;
    if (program->executable >= 0) {
        const auto held = identify({program->executable});
        if (!held) return fail_job(job, to_failure("probe", held.error()));
        executable = held->front();
    }
    const auto door = core_.groups.open_door(jail.unit);
    if (!door) return fail_job(job, to_failure("cgroup", door.error()));
    tell::intent(core_.keeper, job.request.token);
    job.announced = true;
    const int stub = jail.has_stub() ? jail.stub_pidfd.get() : -1;
    program->waits = stub >= 0 && !job.jail_stands;
    const CompiledPlan& plan = plan_of(job, jail);
    auto child = spawn_program(core_.spawn, plan, jail.ids, stub, *program, door->entry());
    if (!child) return fail_in_jail(job, to_failure(plan.plan(), child.error()));
    job.launched = std::make_unique<Launched>(core_.loop);
    job.launched->program = program->argv[0];
    job.launched->child = std::move(*child);
    job.launched->passed = std::move(*passed);
    job.launched->executable = executable;
    job.launched->outside = program->waits;
    watch_launched(job, jail);
}

/// The run begins. `tells` is what its process gets of the notify_fd's pipe, until it has it.
Attempt Starts::begin_main(Job& job, Jail& jail, Program& program, std::vector<Fd>& tells) {
    auto pipe = give_notify_pipe(core_, *jail.loaded, program);
    if (!pipe) return std::unexpected(to_failure("notify_fd", pipe.error()));
    tells = std::move(*pipe);
    if (auto told = jails_.begin_main(jail, job.request.token); !told) {
        return std::unexpected(to_failure("keep the unit", told.error()));
    }
    return {};
}

/// The keeper is told of the new process, and we hear of it from here on.
void Starts::watch_launched(Job& job, Jail& jail) {
    Launched& launched = *job.launched;
    const ipc::Token token = job.request.token;
    const pid_t pid = launched.child.pid;
    if (jobs_.size() <= kFewAtOnce) launched.plan = plan_of(job, jail).whole();
    tell::registered(core_.keeper, token, pid, job.request.purpose, job.unit,
                     launched.child.pidfd.get());
    auto watched = sys::duplicate(launched.child.pidfd.get());
    if (!watched) return fail_job(job, to_failure("start", watched.error()));
    jails_.add_member(jail, token, pid, std::move(*watched), job.request.purpose);
    launched.gate.start(launched.child.gate.get(), EV_READ, [this, &job] { reported(job); });
    if (!launched.outside) limit_child(job);
}

/// One that has ended meanwhile says so by its gate.
void Starts::go_in(Job& job) {
    if (!std::exchange(job.launched->outside, false)) return;
    const auto told = let_in(job.launched->child);
    if (!told && told.error().code != EPIPE) return fail_job(job, to_failure("gate", told.error()));
    limit_child(job);
}

void Starts::limit_child(Job& job) {
    job.launched->limit.start(kChildLimit, [this, &job] {
        fail_job(job, {ETIMEDOUT, "core", "start",
                       fmt::format("{}: its process did not get as far as its exec in {} s",
                                   job.unit, kChildLimit)});
    });
}

}  // namespace jailsvc::jailer
