#include "jailer/loop/starts.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/idle_memory.hpp"
#include "base/sys.hpp"
#include "jailer/loop/starts_work.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kClientLimit = 10;  ///< [s] a client may take to send its request
constexpr std::size_t kMaxAnswers = 1024;
constexpr std::size_t kManyAnswers = 64;  ///< after so many, memory is given back
constexpr double kRest = 2.;              ///< so long after the last of them [s]
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

Digest digest_in(const ipc::Start& request) {
    Digest digest;
    std::ranges::copy(request.digest, digest.begin());
    return digest;
}

StartFailure not_running(const std::string& unit) {
    return StartFailure{ESRCH, "core", "jail",
                        fmt::format("{}: has no jail to enter; start the unit first", unit)};
}

}  // namespace

Starts::Starts(Core& core, Jails& jails, Listeners& listeners)
    : core_(core), jails_(jails), listeners_(listeners), rest_(core.loop) {
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
    // Many starts at once take far more for a moment than what is kept.
    rest_.start(kRest, give_back_memory);
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
