// From collecting to ready: the units are loaded, what an engine before this one knew is taken up,
// and what happened since is told.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <utility>

#include "base/idle_memory.hpp"
#include "engine/engine.hpp"

namespace jailsvc::engine {
namespace {

constexpr const char* kDefaultTarget = "default";

}  // namespace

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
    transients_.look_for_jobs();
    ready_ = true;
    mark_connections();
    settle_sockets();
    listen();
    if (shutdown_.resume(*records_)) return;
    if (!records_->booted()) start_wanted();
    give_back_memory();  // reading all files took far more than what is kept
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
    const std::set<service::Token> known = tell_snapshot(records);
    fd_store_.begin();
    main_processes_.begin(manager_);
    for (const service::Record& record : records) tell_if_lost(record, known);
    notify_hub_.begin();
    manager_.resume();
}

/// Who has ended and who lives, as the keeper had it: all that it knows of.
std::set<service::Token> Engine::tell_snapshot(const std::vector<service::Record>& records) {
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
    return known;
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
    const service::Manager::Names stopped = remembered(ipc::Asked::kStop);
    if (manager_.find(kDefaultTarget) == nullptr) {
        spdlog::info("no unit is wanted by \"{}\"; nothing is started", kDefaultTarget);
    } else if (const auto job = manager_.request_boot(kDefaultTarget, stopped); !job) {
        spdlog::error("{}", job.error().message);
    }
    for (const std::string& unit : remembered(ipc::Asked::kStart)) {
        const auto job = manager_.request(service::Request::kStart, unit);
        if (!job) spdlog::error("{}", job.error().message);
    }
}

void Engine::listen() {
    impatience_.stop();
    if (listener_) server_.listen(std::move(listener_));
}

}  // namespace jailsvc::engine
