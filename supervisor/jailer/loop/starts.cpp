#include "jailer/loop/starts.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "base/clock.hpp"
#include "base/sys.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/loop/invocation.hpp"
#include "jailer/loop/notify_sockets.hpp"
#include "jailer/loop/starts_work.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kChildLimit = 30;   ///< [s] from where it may enter its jail to its exec
constexpr double kClientLimit = 10;  ///< [s] a client may take to send its request
constexpr std::size_t kMaxAnswers = 1024;
constexpr std::size_t kFewAtOnce = 8;     ///< starts that keep their plans as a whole
constexpr std::size_t kManyAnswers = 64;  ///< after so many, memory is given back
/// Clients whose request has not come: each holds a descriptor, and an engine gone astray could
/// hand over as many as we have.
constexpr std::ptrdiff_t kMaxSilentClients = 256;

/// Purposes that may be the first of a jail: the others enter a jail that stands.
bool may_make_jail(ipc::Purpose purpose) {
    return purpose == ipc::Purpose::kMain || purpose == ipc::Purpose::kStartPre ||
           purpose == ipc::Purpose::kStopPost;
}

/// Nothing can be started in it any more. A jail's init may be dying of a kill that we did not
/// send, and takes the main process along, whose end is why we are asked.
bool is_dying(const Jail& jail) {
    return jail.lost_stub || jail.doomed || (jail.has_stub() && is_exiting(jail.stub_pid));
}

/// A run of the service begins with a jail that no other run has written in.
bool is_stale(const Jail& jail, ipc::Purpose purpose) {
    const bool begins_run = purpose == ipc::Purpose::kMain || purpose == ipc::Purpose::kStartPre;
    return may_make_jail(purpose) && (is_dying(jail) || (begins_run && jail.main_token != 0));
}

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

Digest digest_in(const ipc::Start& request) {
    Digest digest;
    std::ranges::copy(request.digest, digest.begin());
    return digest;
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

StartFailure not_running(const std::string& unit) {
    return StartFailure{ESRCH, "core", "jail",
                        fmt::format("{}: has no jail to enter; start the unit first", unit)};
}

}  // namespace

Starts::Starts(Core& core, Jails& jails, Listeners& listeners)
    : core_(core), jails_(jails), listeners_(listeners) {
    jails_.on_ending([this](const std::string& unit) { give_up(unit, false); });
}
Starts::~Starts() = default;

Starts::Job* Starts::find(ipc::Token token) {
    const auto it = jobs_.find(token);
    return it == jobs_.end() ? nullptr : it->second.get();
}

bool Starts::repeated(ipc::Token token, const std::string& unit) {
    if (jobs_.contains(token)) return true;  // its answer is on the way
    if (const auto known = std::ranges::find(answers_, token, &Answer::token);
        known != answers_.end()) {
        send(*known);
        return true;
    }
    const Jail* jail = jails_.find(unit);
    if (jail == nullptr) return false;
    const auto living = jail->members.find(token);
    if (living == jail->members.end()) return false;
    const Member& member = *living->second;
    send({token, Executed{unit, member.pid, member.weakened, member.exec_ns}});
    return true;
}

void Starts::start(const ipc::Start& request) {
    if (repeated(request.token, std::string(ipc::get_text(request.unit)))) return;
    auto job = std::make_unique<Job>();
    job->request = request;
    job->unit = ipc::get_text(request.unit);
    Job& placed = *jobs_.emplace(request.token, std::move(job)).first->second;
    if (request.token == 0 || request.token > ipc::kMaxToken ||
        !config::is_unit_name(placed.unit)) {
        return fail_job(placed, {EINVAL, "core", "start", "a start without valid token and name"});
    }
    if (request.purpose == ipc::Purpose::kListen) return listen(placed);
    if (request.purpose == ipc::Purpose::kCondition) return look_at_conditions(placed);
    place(placed);
}

/// Nothing is executed: it is done when the sockets are open.
void Starts::listen(Job& job) {
    const ipc::Token token = job.request.token;
    if (auto opened = listeners_.open(job.unit, digest_in(job.request)); !opened) {
        return fail_job(job, to_failure("listen", opened.error()));
    }
    Executed done{.unit = job.unit, .exec_ns = boottime_ns()};
    jobs_.erase(token);  // `job` is gone from here on
    answer({token, std::move(done)});
}

void Starts::exec(const ipc::Exec& request, Fd client) {
    if (repeated(request.token, std::string(ipc::get_text(request.unit)))) return;
    auto owned = std::make_unique<Job>();
    owned->request.token = request.token;
    owned->request.main_token = request.main_token;
    owned->request.purpose = ipc::Purpose::kClient;
    owned->unit = ipc::get_text(request.unit);
    owned->visit = std::make_unique<Visit>(core_.loop, std::move(client));
    Job& job = *jobs_.emplace(request.token, std::move(owned)).first->second;
    if (request.token > ipc::kMaxToken) {
        return fail_job(job, {EINVAL, "core", "exec", "a request without valid token"});
    }
    if (!job.visit->socket || !config::is_unit_name(job.unit)) {
        return fail_job(job, {EINVAL, "core", "exec", "a request without socket or unit"});
    }
    const auto silent = std::ranges::count_if(jobs_, [](const auto& entry) {
        return entry.second->visit && !entry.second->visit->asked;
    });
    if (silent > kMaxSilentClients) {
        return fail_job(job, {EMFILE, "core", "exec", "too many requests that have not come"});
    }
    Visit& visit = *job.visit;
    visit.readable.start(visit.socket.get(), EV_READ, [this, &job] { read_client(job); });
    visit.limit.start(kClientLimit, [this, &job] {
        fail_job(job, {ETIMEDOUT, "core", "exec", "the client sent no request"});
    });
}

void Starts::read_client(Job& job) {
    auto request = receive_exec_request(job.visit->socket.get(), ::geteuid());
    if (!request) return fail_job(job, to_failure("exec", request.error()));
    if (!*request) return;
    // The engine may be in a stranger's hands. What root wants run in one jail must not be run in
    // another, or in none.
    if ((*request)->unit != job.unit) {
        return fail_job(
            job, {EPERM, "core", "exec",
                  fmt::format("the request is for {}, not for {}", (*request)->unit, job.unit)});
    }
    job.visit->asked = std::move(**request);
    job.visit->readable.stop();
    job.visit->limit.stop();
    place(job);
}

void Starts::place(Job& job) {
    const ipc::Purpose purpose = job.request.purpose;
    const ipc::Token token = job.request.token;
    Jail* jail = jails_.find(job.unit);
    if (jail != nullptr && may_make_jail(purpose) &&
        (jail->state == Jail::State::kEnding || is_stale(*jail, purpose))) {
        if (purpose == ipc::Purpose::kStopPost) inherit(job, *jail);
        const auto ended = [this, token] {
            if (Job* waiting = find(token); waiting != nullptr) place(*waiting);
        };
        return jails_.end(*jail, ended, true);
    }
    if (jail == nullptr && may_make_jail(purpose)) {
        jail = &jails_.create(job.unit, token);
        if (purpose == ipc::Purpose::kMain) jail->main_token = token;
        jail->loaded = std::move(job.loaded);
        if (!job.text.empty()) jail->text = std::move(job.text);
        if (!jail->loaded) jail->digest = digest_in(job.request);
        job.first = true;
    }
    const bool enterable = jail != nullptr && !jail->lost_stub && !jail->doomed;
    if (!enterable) return fail_job(job, not_running(job.unit));
    if (auto moves = jails_.thaw_for(*jail, purpose); !moves) return fail_job(job, moves.error());
    make_and_launch(job, *jail);
}

/// What cleans up after a run is that run's, whatever the files say by now.
void Starts::inherit(Job& job, const Jail& jail) {
    if (!jail.runs_as(digest_in(job.request))) return;
    job.loaded = jail.loaded;
    job.text = *jail.text;
}

void Starts::make_and_launch(Job& job, Jail& jail) {
    const auto spawn = [this, token = job.request.token] {
        Job* waiting = find(token);
        if (waiting == nullptr || needs_look_inside(*waiting)) return;
        launch(*waiting, *jails_.find(waiting->unit));
    };
    const auto enter = [this, token = job.request.token] {
        Job* waiting = find(token);
        if (waiting == nullptr) return;
        waiting->jail_stands = true;
        if (waiting->launched) return go_in(*waiting);
        launch(*waiting, *jails_.find(waiting->unit));
    };
    const auto done = [this, token = job.request.token](const Attempt& made) {
        Job* waiting = find(token);
        if (waiting == nullptr) return;
        if (!made) return fail_job(*waiting, made.error());
        waiting->jail_holds = true;
        if (waiting->at_gate) let_through(*waiting);
    };
    jails_.make(jail, {spawn, enter, done});
}

Result<void> Starts::give_log(Program& program, OutputFiles& files, Jail& jail) {
    const auto plan = jail.loaded->plan.whole();
    const ResolvedIds owner{.uid = host_uid(*plan, jail.ids, jail.ids.uid).value_or(jail.ids.uid),
                            .gid = host_gid(*plan, jail.ids, jail.ids.gid).value_or(jail.ids.gid)};
    // There may be thousands of them, one after the other: what they write is the listener's.
    const bool one_of_many = config::is_connection_name(jail.unit);
    const std::string log = one_of_many ? listener_of(jail.unit) : jail.unit;
    return give_output(core_, log, *jail.loaded->unit.logging, owner, program, files);
}

Result<Program> Starts::program_for(Job& job, OutputFiles& files, Jail& jail) {
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
    const ipc::Token token = job.request.token;
    job.entered = true;
    OutputFiles files;  // until the child has them
    auto program = program_for(job, files, jail);
    if (!program) return fail_job(job, to_failure("program", program.error()));
    std::vector<Fd> tells;  // likewise
    if (job.request.purpose == ipc::Purpose::kMain) {
        auto pipe = give_notify_pipe(core_, *jail.loaded, *program);
        if (!pipe) return fail_job(job, to_failure("notify_fd", pipe.error()));
        tells = std::move(*pipe);
        if (auto told = jails_.begin_main(jail, token); !told) {
            return fail_job(job, to_failure("keep the unit", told.error()));
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
    tell::intent(core_.keeper, token);
    job.announced = true;
    const int stub = jail.has_stub() ? jail.stub_pidfd.get() : -1;
    program->waits = stub >= 0 && !job.jail_stands;
    const CompiledPlan& plan = plan_of(job, jail);
    auto child = spawn_program(core_.spawn, plan, jail.ids, stub, *program, door->entry());
    if (!child) return fail_in_jail(job, to_failure(plan.plan(), child.error()));
    job.launched = std::make_unique<Launched>(core_.loop);
    Launched& launched = *job.launched;
    if (jobs_.size() <= kFewAtOnce) launched.plan = plan.whole();
    launched.program = program->argv[0];
    launched.child = std::move(*child);
    launched.passed = std::move(*passed);
    launched.executable = executable;
    launched.outside = program->waits;
    const pid_t pid = launched.child.pid;
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

void Starts::fail_job(Job& job, StartFailure failure) {
    // What a step says of a file or a call does not tell for whom.
    if (!failure.text.starts_with(job.unit + ":")) failure.text.insert(0, job.unit + ": ");
    const auto owned = std::move(jobs_.extract(job.request.token).mapped());
    const ipc::Token token = owned->request.token;
    if (const auto launched = std::move(owned->launched)) {
        (void)sys::pidfd_signal(launched->child.pidfd.get(), SIGKILL);
    }
    if (owned->announced) tell::abandon(core_.keeper, token);
    const auto message =
        std::make_shared<const ipc::StartFailed>(tell::make_failed(token, owned->unit, failure));
    Jail* jail = jails_.find(owned->unit);
    const bool begins = owned->first || owned->request.purpose == ipc::Purpose::kMain;
    const bool alone = jail != nullptr && std::ranges::all_of(jail->members, [&](const auto& m) {
                           return m.first == token;
                       });
    const bool stands = alone && (jail->state == Jail::State::kStanding ||
                                  (jail->state == Jail::State::kMaking && owned->entered));
    if (begins && stands) {
        return jails_.end(*jail, [this, token, message] { answer({token, message}); });
    }
    answer({token, message});
}

bool Starts::stop_early(ipc::Token token) {
    Job* job = find(token);
    if (job == nullptr || job->announced || job->visit) return false;
    Jail* jail = jails_.find(job->unit);
    if (jail != nullptr && jails_.stop_making(*jail)) return true;
    if (jail == nullptr || jail->state != Jail::State::kEnding) return false;
    // It waits for the end of an earlier run's jail.
    fail_job(*job, {ECANCELED, "core", "start", job->unit + ": stopped before its jail was made"});
    return true;
}

void Starts::cancel(const std::string& unit) {
    give_up(unit, true);
}

/// Not all: the starts inside the jail that ends, without those that wait for its end.
void Starts::give_up(const std::string& unit, bool all) {
    std::vector<ipc::Token> tokens;
    for (const auto& [token, job] : jobs_) {
        if (job->unit == unit && (all || (job->announced && job->jail_holds)))
            tokens.push_back(token);
    }
    for (const ipc::Token token : tokens) {
        // A process that has ended already may have said more: that it was executed, or why not.
        Job* job = find(token);
        if (job != nullptr && job->gate_opened) reported(*job);
        job = find(token);
        if (job != nullptr) {
            fail_job(*job, {ECANCELED, "core", "start", unit + ": torn down while it started"});
        }
    }
}

void Starts::remember(ipc::Token token, const std::string& unit, pid_t pid, std::uint64_t exec_ns) {
    if ((token & ipc::kStubBit) != 0) return;
    keep({token, Executed{.unit = unit, .pid = pid, .exec_ns = exec_ns}});
}

void Starts::answer(Answer answer) {
    send(answer);
    keep(std::move(answer));
    while (answers_.size() > kMaxAnswers) answers_.pop_front();
    if (++answered_ < kManyAnswers || !jobs_.empty()) return;
    answered_ = 0;
    ::malloc_trim(0);  // many starts at once take far more for a moment than what is kept
}

void Starts::keep(Answer answer) {
    const auto known = std::ranges::find(answers_, answer.token, &Answer::token);
    if (known == answers_.end()) {
        answers_.push_back(std::move(answer));
    } else {
        *known = std::move(answer);
    }
}

void Starts::send(const Answer& answer) {
    if (const auto* done = std::get_if<Executed>(&answer.what)) {
        return (void)core_.engine.send(
            tell::make_started(answer.token, done->unit, done->pid, done->weakened, done->exec_ns));
    }
    core_.engine.send(*std::get<std::shared_ptr<const ipc::StartFailed>>(answer.what));
}

}  // namespace jailsvc::jailer
