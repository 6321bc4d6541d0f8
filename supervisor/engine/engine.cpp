#include "engine/engine.hpp"

#include <fmt/ranges.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <set>
#include <utility>

#include "base/clock.hpp"
#include "base/sys.hpp"
#include "config/overlay.hpp"
#include "control/varlink.hpp"
#include "engine/messages.hpp"

namespace jailsvc::engine {
namespace {

/// Clients are let in without units when the jailer has not told its schema by then [s].
constexpr double kImpatience = 5.;
constexpr std::chrono::seconds kFrozenPause{1};  ///< between looks whether health can be checked
constexpr std::size_t kManyStarts = 64;          ///< after so many, memory is given back
constexpr const char* kDefaultTarget = "default";
/// What stopping everything takes beside the units' own times, on a busy machine.
constexpr std::uint64_t kShutdownSlackNs = 10'000'000'000;

bool ended_before_exec(const service::ExitInfo& info) {
    return !info.by_signal && info.code == ipc::kNotExecutedCode;
}

std::size_t descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == -1) return 0;
    return static_cast<std::size_t>(limit.rlim_cur);
}

}  // namespace

Engine::Engine(struct ev_loop* loop, const Places& places, Roles roles, Fd keeper)
    : loop_(loop),
      sources_(config::sources_of(places)),
      keeper_(loop, "keeper",
              {.packet = [this](ipc::Packet& packet) { from_keeper(packet); },
               .lost = [this] { ev_break(loop_, EVBREAK_ALL); }}),
      jailer_(loop, "jailer",
              {.packet = [this](ipc::Packet& packet) { from_jailer(packet); },
               .lost = [this] { jailer_lost(); }}),
      logger_(loop, "logger",
              {.packet = [this](ipc::Packet& packet) { from_logger(packet); },
               .lost = [this] { asks_.logger_lost(); }}),
      launcher_(
          jailer_, [this](std::string_view unit) { return digest_of_start(unit); },
          [this](service::Token token) {
              if (records_) records_->reserve(token);
              early_exits_.expect_answer(token);
              ++starts_;
          },
          [this](std::string_view unit, service::Token main_token) {
              main_processes_.find(std::string(unit), main_token, 0);
          },
          [this](std::string_view unit) { return await_activation(unit); }),
      timers_(loop, {.hear = [this](const std::string& unit) { notify_hub_.hear(unit); },
                     .elapsed =
                         [this](std::string_view unit, service::TimerKind kind) {
                             // Whoever is frozen cannot answer; a check of it would be held too.
                             if (kind == service::TimerKind::kHealth && is_frozen(unit)) {
                                 return timers_.arm(unit, kind, kFrozenPause);
                             }
                             manager_.on_timer(unit, kind);
                         }}),
      schedules_(loop, Stamps(stamps_directory(places)),
                 [this](const std::string& unit) { on_due(unit); }),
      manager_(launcher_, timers_, reporter_),
      self_reports_(manager_, for_self_reports()),
      main_processes_(loop, jailer_, for_main_processes()),
      notify_hub_(loop, for_notify_hub()),
      fd_store_(loop, keeper_),
      asks_(loop, jailer_, logger_,
            [this](service::Token token) { early_exits_.expect_answer(token); }),
      dispatcher_(manager_, jobs_, *this, monitors_),
      server_(
          loop, std::move(roles),
          [this](const control::Call& call, std::vector<Fd> fds, const Caller& caller,
                 const ClientRef& client) {
              dispatcher_.dispatch(call, std::move(fds), caller, client);
          },
          limits_within(descriptor_limit())),
      settle_(loop, [this] { settle(); }),
      impatience_(loop, [this] { listen(); }) {
    (void)keeper_.attach(std::move(keeper));
    reporter_.publish_to(&monitors_);
    auto hello = ipc::make<ipc::Hello>();
    hello.role = ipc::Role::kEngine;
    keeper_.send(hello);
    impatience_.start(kImpatience);
}

// What the links bring -------------------------------------------------------------------------

void Engine::from_keeper(ipc::Packet& packet) {
    if (const auto* peer = packet.as<ipc::Peer>()) {
        on_peer(peer->peer, Fd(packet.take_fd(0)));
    } else if (const auto* stored = packet.as<ipc::Stored>()) {
        on_stored(*stored, Fd(packet.take_fd(0)));
    } else if (const auto* alive = packet.as<ipc::Alive>()) {
        alive_.push_back(*alive);
    } else if (const auto* exited = packet.as<ipc::Exited>()) {
        on_exited(*exited);
    } else if (packet.as<ipc::SnapshotEnd>() != nullptr) {
        snapshot_complete_ = true;
        go_if_complete();
    } else if (const auto* heartbeat = packet.as<ipc::Heartbeat>()) {
        keeper_.send(*heartbeat);
    } else if (const auto* shutdown = packet.as<ipc::Shutdown>()) {
        if (ready_) answer_shutdown();
        begin_shutdown({shutdown->kind, 0});
    } else {
        spdlog::error("keeper: an unexpected message was ignored");
    }
}

void Engine::from_jailer(ipc::Packet& packet) {
    if (packet.as<ipc::Schema>() != nullptr) {
        on_schema(Fd(packet.take_fd(0)));
    } else if (const auto* started = packet.as<ipc::Started>()) {
        on_started(*started);
    } else if (const auto* failed = packet.as<ipc::StartFailed>()) {
        on_start_failed(*failed);
        on_answered(failed->token);
    } else if (const auto* torn_down = packet.as<ipc::TornDown>()) {
        manager_.on_torn_down(ipc::get_text(torn_down->unit), torn_down->token);
    } else if (const auto* found = packet.as<ipc::FoundMain>()) {
        main_processes_.on_found(*found);
    } else if (const auto* groups = packet.as<ipc::Groups>()) {
        groups_.set(*groups);
    } else if (packet.type() == ipc::Type::kPlanReply) {
        asks_.on_plan_reply(packet);
    } else if (const auto* pressure = packet.as<ipc::Pressure>()) {
        on_pressure(*pressure);
    } else if (const auto* activated = packet.as<ipc::Activated>()) {
        on_activated(*activated);
    } else if (const auto* connection = packet.as<ipc::Connection>()) {
        on_connection(*connection);
    } else if (const auto* sockets = packet.as<ipc::SocketState>()) {
        on_socket_state(*sockets);
    } else if (packet.type() == ipc::Type::kSetPropertyReply) {
        on_property_set(packet);
    } else {
        spdlog::error("jailer: an unexpected message was ignored");
    }
}

void Engine::from_logger(ipc::Packet& packet) {
    asks_.on_log_opened(packet);
}

void Engine::on_peer(ipc::Role role, Fd socket) {
    if (!socket) return spdlog::error("keeper: a peer without a descriptor");
    if (role == ipc::Role::kLogger) {
        asks_.logger_lost();  // its end may not have been read yet, and what it was asked is lost
        (void)logger_.attach(std::move(socket));  // what was not sent is asked again
        return asks_.logger_back();
    }
    if (role != ipc::Role::kJailer) return spdlog::error("keeper: a peer that is none of ours");
    jailer_lost();  // its end may not have been read yet, and what it was asked is lost
    auto kept = launcher_.start_over(jailer_.attach(std::move(socket)));
    if (ready_) manager_.resume();
    launcher_.append(std::move(kept));
    asks_.jailer_back();
    main_processes_.jailer_back();
}

void Engine::on_stored(const ipc::Stored& stored, Fd fd) {
    if (stored.kind == ipc::Kept::kControl) {
        listener_ = std::move(fd);
        if (ready_) listen();
    } else if (stored.kind == ipc::Kept::kUnit && !ready_) {
        kept_units_.add(stored, std::move(fd));
    } else if (stored.kind == ipc::Kept::kNotify && fd) {
        on_notify(stored, std::move(fd));
    } else if (stored.kind == ipc::Kept::kFdStore || stored.kind == ipc::Kept::kFdNames) {
        on_fd_store(stored, std::move(fd));
    } else if (stored.kind == ipc::Kept::kMainProcess && fd) {
        main_processes_.add(std::string(ipc::get_text(stored.unit)), stored.token, std::move(fd));
    } else if (stored.kind == ipc::Kept::kState && !records_) {
        auto records = Records::open(std::move(fd));
        if (!records) return spdlog::critical("{}", records.error().message);
        records_.emplace(std::move(*records));
    }
}

void Engine::on_exited(const ipc::Exited& exited) {
    if (!ready_) return exited_.push_back(exited);
    if (!early_exits_.hold(exited)) tell_exit(exited);
}

void Engine::on_answered(ipc::Token token) {
    if (const auto exited = early_exits_.answered(token)) tell_exit(*exited);
}

void Engine::jailer_lost() {
    for (const ipc::Exited& exited : early_exits_.give_up_all()) tell_exit(exited);
    asks_.jailer_lost();
}

void Engine::tell_exit(const ipc::Exited& exited) {
    // What it said comes before its end, whichever of the two sockets is read first.
    notify_hub_.drain(std::string(ipc::get_text(exited.unit)));
    if (main_processes_.hold(exited)) return;
    auto ack = ipc::make<ipc::ExitAck>();
    ack.token = exited.token;
    if (!asks_.on_exited(exited)) {
        const std::string unit(ipc::get_text(exited.unit));
        const bool one_of_many = config::is_connection_name(unit);
        // Before the next run can be asked for. A health check has no part in what the service
        // writes.
        if (exited.purpose != ipc::Purpose::kHealth) {
            asks_.end_log_line(one_of_many ? config::split_name(unit).prefix : unit);
        }
        const bool is_main = exited.purpose == ipc::Purpose::kMain;
        auto info = exit_info(exited);
        info.executed = !(ended_before_exec(info) && early_exits_.take_unanswered(exited.token));
        if (!info.executed) spdlog::warn("{}: a start was interrupted; made again", unit);
        info.out_of_memory = is_main && info.by_signal && info.code == SIGKILL &&
                             is_running(unit) && hits(unit).oom_kills > 0;
        (void)manager_.on_exited(exited.token, info);
    }
    // The records are written by now (Observer::changed), so the keeper may forget.
    keeper_.send(ack);
}

/// The client may have gone, or asked our predecessor: the unit's files have changed all the same.
void Engine::on_property_set(ipc::Packet& packet) {
    const auto* reply = packet.as<ipc::SetPropertyReply>();
    if (reply == nullptr) return;
    const Fd memfd(packet.take_fd(0));
    const auto text = sys::read_memfd(memfd.get(), config::kMaxFileSize);
    if (!text) return spdlog::error("jailer: set-property: {}", text.error().message);
    const std::string unit(ipc::get_text(reply->unit));
    const bool loaded = reply->ok != 0 && ready_ && load_again(unit);
    if (loaded && !text->empty()) {
        auto running = config::parse_effective(*schema_, unit, *text);
        if (running) manager_.runs_as(std::move(*running));
    }
    asks_.on_property_set(*reply, *text);
}

/// One that is not running yet, or is stopping already, is left to that.
void Engine::on_pressure(const ipc::Pressure& pressure) {
    const std::string unit(ipc::get_text(pressure.unit));
    const auto status = manager_.status(unit);
    if (!ready_ || !status || status->record.state != service::State::kRunning) return;
    reporter_.note_pressure(unit);
    const auto ask = [&](service::Request what) {
        spdlog::warn("{}: {} for pressure", unit,
                     what == service::Request::kStop ? "stopped" : "restarted");
        const auto job = manager_.request(what, unit);
        if (!job) spdlog::error("{}", job.error().message);
    };
    switch (pressure.action) {
        case ipc::OnPressure::kLog:
            return;  // the jailer has
        case ipc::OnPressure::kRestart:
            return ask(service::Request::kRestart);
        case ipc::OnPressure::kStop:
            return ask(service::Request::kStop);
        case ipc::OnPressure::kSignal:
            if (auto sent = manager_.kill(unit, pressure.signo, service::Whom::kProcess); !sent) {
                spdlog::error("{}", sent.error().message);
            }
            return;
    }
}

void Engine::on_started(const ipc::Started& started) {
    if (started.exec_ns == 0) {
        if (const auto exited = early_exits_.give_up(started.token)) tell_exit(*exited);
        return;
    }
    take_started(started);
    on_answered(started.token);
}

void Engine::take_started(const ipc::Started& started) {
    if (asks_.on_started(started)) return;
    const std::string unit(ipc::get_text(started.unit));
    if (!manager_.on_started(started.token, started.pid, started.exec_ns)) return;
    const auto status = manager_.status(unit);
    if (status && status->record.main_token == started.token) {
        reporter_.note_weakened(unit, started.weakened);
        const UnitGroups::Hits before = groups_.hits_of(unit);
        reporter_.note_hits(unit, before.oom_kills, before.refused_tasks);
    }
}

void Engine::on_start_failed(const ipc::StartFailed& failed) {
    if (asks_.on_start_failed(failed)) return;
    const service::LaunchFailure failure = launch_failure(failed);
    if (!manager_.on_launch_failed(failed.token, failure)) return;
    // A start that fails is the reporter's to tell; of a reload or a stop the unit's state is not
    // changed by it.
    const std::string_view unit = ipc::get_text(failed.unit);
    const auto status = manager_.status(unit);
    if (status && status->because.find(failure.text) != std::string::npos) return;
    spdlog::error("{}: not executed: {}", unit, failure.text);
}

void Engine::on_schema(Fd memfd) {
    const auto text = sys::read_memfd(memfd.get());
    if (!text) return spdlog::error("jailer: its schema: {}", text.error().message);
    auto tables = config::tables_from_json(*text);
    if (!tables) return spdlog::error("jailer: its schema: {}", tables.error().message);
    config::Schema schema = config::core_schema();
    for (config::Table& table : *tables) schema.tables.push_back(std::move(table));
    schema_ = std::move(schema);
    go_if_complete();
}

/// Not about to stop: a SIGKILL then is not ours.
bool Engine::is_running(std::string_view unit) const {
    const auto status = manager_.status(unit);
    return status && status->record.state != service::State::kStopping;
}

/// Of the running service; where it has no control group, of its main process.
std::optional<Usage> Engine::usage(std::string_view unit, pid_t main) const {
    if (main <= 0) return std::nullopt;
    if (auto whole = groups_.usage_of(unit)) return whole;
    return usage_of(main);
}

/// Since the service began. A group that was made anew has counted from nothing.
UnitGroups::Hits Engine::hits(std::string_view unit) const {
    const UnitGroups::Hits now = groups_.hits_of(unit);
    const Extra before = extra(unit);
    const auto since = [](std::uint64_t count, std::uint64_t base) {
        return count >= base ? count - base : count;
    };
    return {.oom_kills = since(now.oom_kills, before.oom_kills),
            .refused_tasks = since(now.refused_tasks, before.refused_tasks)};
}

// From collecting to ready ---------------------------------------------------------------------

void Engine::go_if_complete() {
    if (!ready_ && snapshot_complete_ && schema_ && records_) go();
}

void Engine::go() {
    const std::vector<Records::Entry> entries = records_->load();
    reporter_.attach(&*records_);
    std::vector<std::string> known;
    for (const Records::Entry& entry : entries) known.emplace_back(entry.record.unit);
    UnitSet set = load_all_units(known);
    // What runs goes on though its file does not load, as it does for an engine that had loaded it.
    for (const Records::Entry& entry : entries) {
        if (!set.errors.contains(std::string(ipc::get_text(entry.record.unit)))) continue;
        if (const auto kept = kept_units_.find(entry.record, *schema_)) set.units.push_back(*kept);
    }
    take(std::move(set));
    restore(entries);
    ready_ = true;
    mark_connections();
    settle_sockets();
    listen();
    if (!ending_) ending_ = records_->ending();  // of an engine before us
    if (ending_) {
        announce_shutdown(ending_->kind);
        return begin_shutdown(*ending_);
    }
    if (!records_->booted()) start_wanted();
}

UnitSet Engine::load_all_units(const std::vector<std::string>& known) const {
    // Instances of templates have no file of their own; who runs is known from elsewhere.
    std::vector<std::string> instances;
    std::ranges::copy_if(known, std::back_inserter(instances), [](const std::string& name) {
        return name.find('@') != std::string::npos;
    });
    return load_units(sources_, *schema_, instances);
}

void Engine::restore(const std::vector<Records::Entry>& entries) {
    std::vector<service::Record> records;
    for (const Records::Entry& entry : entries) records.push_back(entry.record);
    manager_.restore(records, kept_units_.take(records, manager_, *schema_));
    // After restore, which knows only tokens in records; reserved ones may have been used too.
    manager_.set_next_token(std::max(manager_.next_token(), records_->first_free_token()));
    for (const service::Record& record : records) {
        if (record.main_alive == 0 || record.main_started_ns != 0) continue;
        early_exits_.expect_answer(record.main_token);
        (void)early_exits_.give_up(record.main_token);  // told to our predecessor, if at all
    }
    std::set<service::Token> recorded;
    for (const service::Record& record : records) {
        recorded.insert(
            {record.main_token, record.control_token, record.adopted_token, record.check_token});
    }
    std::set<service::Token> known;
    for (const ipc::Exited& exited : exited_) known.insert(exited.token);
    for (const ipc::Exited& exited : std::exchange(exited_, {})) tell_exit(exited);
    for (const ipc::Alive& alive : std::exchange(alive_, {})) {
        known.insert(alive.token);
        // A command that a client ran has lost that client with our predecessor.
        if (alive.purpose == ipc::Purpose::kClient) {
            asks_.hang_up(std::string(ipc::get_text(alive.unit)), alive.token);
        } else if (alive.purpose != ipc::Purpose::kStub && !recorded.contains(alive.token)) {
            end_unrecorded(alive);
        }
    }
    fd_store_.begin();
    main_processes_.begin(manager_);
    for (const service::Record& record : records) tell_if_lost(record, known);
    notify_hub_.begin();
    manager_.resume();
}

/// Nobody would ever stop it, and its unit might be started beside it.
void Engine::end_unrecorded(const ipc::Alive& alive) {
    const std::string_view unit = ipc::get_text(alive.unit);
    spdlog::error("{}: process {} lives, and its record is lost; it is ended", unit, alive.pid);
    auto signal = ipc::make<ipc::Signal>();
    signal.token = alive.token;
    signal.signo = SIGKILL;
    signal.whom = ipc::Whom::kProcess;
    ipc::set_text(signal.unit, unit);
    jailer_.send(signal);
}

/// A main process that ran, of which the keeper knows neither life nor end: treated as killed, so
/// that its unit does not stay "running" for ever.
void Engine::tell_if_lost(const service::Record& record, const std::set<service::Token>& known) {
    const service::Token main = service::main_process(record);
    if (record.main_pid <= 0 || known.contains(main) || main_processes_.is_watched(main)) return;
    spdlog::error("{}: nothing is known of its process {}; it counts as killed", record.unit,
                  record.main_pid);
    (void)manager_.on_exited(main, {.by_signal = true, .code = SIGKILL});
}

void Engine::start_wanted() {
    // Written first: if starting them kills the engine, it does not happen over and over.
    records_->set_booted();
    if (manager_.find(kDefaultTarget) == nullptr) {
        return spdlog::info("no unit is wanted by \"{}\"; nothing is started", kDefaultTarget);
    }
    const auto job = manager_.request(service::Request::kStart, kDefaultTarget);
    if (!job) spdlog::error("{}", job.error().message);
}

void Engine::listen() {
    impatience_.stop();
    if (listener_) server_.listen(std::move(listener_));
}

// What clients ask for -------------------------------------------------------------------------

Extra Engine::extra(std::string_view unit) const {
    const auto entry = records_ ? records_->find(unit) : std::nullopt;
    return entry ? entry->extra : Extra{};
}

Result<std::string> Engine::settings(const config::Unit& unit) const {
    return config::settings_of(*schema_, unit);
}

void Engine::plan(const std::string& unit, ClientRef client) {
    asks_.plan(unit, std::move(client));
}

void Engine::logs(const LogQuestion& question, ClientRef client) {
    asks_.logs(question, std::move(client));
}

void Engine::exec(const std::string& unit, service::Token main_token, Fd socket, ClientRef client) {
    const service::Token token = draw_token();
    asks_.exec(unit, token, main_token, std::move(socket), std::move(client));
}

void Engine::set_property(const std::string& unit, const std::map<std::string, std::string>& pairs,
                          ClientRef client) {
    const auto overlay = config::to_overlay(*schema_, pairs);
    const auto read =
        overlay ? config::parse_overlay(*schema_, *overlay) : std::unexpected(overlay.error());
    if (read) return asks_.set_property(unit, *overlay, std::move(client));
    std::vector<std::string> errors;
    for (const auto& error : read.error()) errors.push_back(error.message);
    answer(client, control::error_reply("InvalidProperty",
                                        {{"message", fmt::format("{}", fmt::join(errors, "; "))}}));
}

bool Engine::shutdown(std::string_view kind) {
    const auto known = shutdown_kind(kind);
    if (!known) return false;
    announce_shutdown(*known);
    begin_shutdown({*known, 0});
    return true;
}

void Engine::begin_shutdown(Records::Ending ending) {
    // A later wish changes what follows the end, not the exit code of what brought it about.
    if (ending_) ending.exit_code = ending_->exit_code;
    ending_ = ending;
    if (!ready_) return;
    records_->set_ending(ending);
    if (stopping_) return;
    stopping_ = true;
    spdlog::info("stopping everything");
    jobs_.wait(manager_.stop_all(), [this](const service::JobResult&) {
        auto done = ipc::make<ipc::ShutdownDone>();
        done.kind = ending_->kind;
        done.exit_code = ending_->exit_code;
        keeper_.send(done);
    });
}

/// So that the keeper cuts no stop short that the units' timeouts allow.
std::uint64_t Engine::stop_deadline_ns() const {
    const auto bound =
        std::min(static_cast<std::uint64_t>(manager_.stop_bound().count()), ipc::kLongestStopNs);
    return boottime_ns() + bound + kShutdownSlackNs;
}

/// The keeper's own wish, for a signal.
void Engine::answer_shutdown() {
    auto stopping = ipc::make<ipc::Stopping>();
    stopping.deadline_ns = stop_deadline_ns();
    keeper_.send(stopping);
}

/// Someone else's: the keeper bounds it from now on, and goes on with it though no engine does.
void Engine::announce_shutdown(ipc::ShutdownKind kind) {
    auto shutdown = ipc::make<ipc::Shutdown>();
    shutdown.kind = kind;
    shutdown.deadline_ns = stop_deadline_ns();
    keeper_.send(shutdown);
}

void Engine::settle() {
    // An answer lets a client's next call in, which may settle more.
    while (reporter_.has_settled() || reporter_.has_end() || reporter_.has_dropped() ||
           !launcher_.idle() || monitors_.has_lost()) {
        launcher_.flush();
        monitors_.end_lost();
        forget_dropped();
        for (const auto& [job, result] : reporter_.take_settled()) jobs_.settled(job, result);
        if (const auto code = reporter_.take_end()) {
            announce_shutdown(ipc::ShutdownKind::kExit);
            begin_shutdown({ipc::ShutdownKind::kExit, static_cast<std::uint16_t>(*code)});
        }
    }
    if (ready_) fd_store_.release_resting(manager_);
    trim();
}

/// Many starts at once take far more for a moment than what is kept.
void Engine::trim() {
    if (starts_ < kManyStarts || early_exits_.expecting()) return;
    starts_ = 0;
    ::malloc_trim(0);
}

}  // namespace jailsvc::engine
