#include "service/manager.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include "config/names.hpp"
#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {

Manager::Manager(Launcher& launcher, Timers& timers, Observer& observer)
    : impl_(std::make_unique<Impl>(launcher, timers, observer)) {}

Manager::~Manager() = default;

Manager::LoadReport Manager::load(std::vector<config::Unit> units, Faults faults) {
    return impl_->load(std::move(units), std::move(faults));
}

Manager::LoadReport Manager::add(std::vector<config::Unit> units) {
    return impl_->add(std::move(units));
}

void Manager::forget_when_down(std::string_view unit) {
    Entry* entry = impl_->find(unit);
    if (entry == nullptr || entry->removed) return;
    entry->removed = true;
    ++impl_->removed;
    impl_->run();
}

Result<JobId> Manager::request(Request what, std::string_view unit) {
    Entry* entry = impl_->find(unit);
    if (entry == nullptr) {
        return fail(std::string(unit) + ": no such unit; see `jailsvc list`", ENOENT);
    }
    return impl_->request(what, *entry);
}

Result<JobId> Manager::request_boot(std::string_view unit, const Names& left_out) {
    impl_->left_out = &left_out;
    auto job = request(Request::kStart, unit);
    impl_->left_out = nullptr;
    return job;
}

JobId Manager::stop_all() {
    return impl_->stop_all();
}

Result<void> Manager::kill(std::string_view unit, int signo, Whom whom) {
    Entry* entry = impl_->find(unit);
    if (entry == nullptr) {
        return fail(std::string(unit) + ": no such unit; see `jailsvc list`", ENOENT);
    }
    if (signo < 1 || signo > SIGRTMAX) {
        return fail(std::string(unit) + ": no such signal: " + std::to_string(signo), EINVAL);
    }
    const Vitals& record = entry->record();
    if (record.main_pid == 0) return fail(std::string(unit) + ": no main process runs", ESRCH);
    impl_->signal(*entry, main_process(record), signo, whom);
    impl_->run();
    return {};
}

void Manager::reset_failed(std::string_view unit) {
    Entry* entry = impl_->find(unit);
    if (entry == nullptr) return;
    Vitals& record = entry->record();
    const bool counts = record.state == State::kBackoff || record.state == State::kRunning ||
                        record.state == State::kReloading;
    if (record.state != State::kFailed && !counts) return;
    record.restarts = record.backoff_level = record.recent_starts = 0;
    // What it waits for now goes on; delays after that are from the first on.
    if (counts) impl_->touch(*entry);
    if (counts) return impl_->run();
    set_because(*entry, {});
    impl_->apply(*entry, Event::kReset, {});
    impl_->run();
}

void Manager::runs_as(config::Unit unit) {
    Entry* entry = impl_->find(unit.name);
    if (entry == nullptr || at_rest(*entry)) return;
    entry->life.started = unit.digest == entry->loaded->digest
                              ? entry->loaded
                              : std::make_shared<const config::Unit>(std::move(unit));
    std::ranges::copy(entry->life.started->digest, entry->record().digest);
    impl_->touch(*entry);
    impl_->run();
}

bool Manager::on_started(Token token, int pid, std::uint64_t exec_ns) {
    return impl_->on_started(token, pid, exec_ns);
}

bool Manager::on_launch_failed(Token token, const LaunchFailure& failure) {
    return impl_->on_launch_failed(token, failure);
}

bool Manager::on_exited(Token token, const ExitInfo& info) {
    return impl_->on_exited(token, info);
}

void Manager::on_torn_down(std::string_view unit, Token token) {
    if (Entry* entry = impl_->find(unit)) impl_->on_torn_down(*entry, token);
}

void Manager::on_timer(std::string_view unit, TimerKind kind) {
    if (Entry* entry = impl_->find(unit)) impl_->on_timer(*entry, kind);
}

void Manager::on_activated(std::string_view unit, const std::string& fault) {
    if (Entry* entry = impl_->find(unit)) impl_->on_activated(*entry, fault);
}

bool Manager::on_told(std::string_view unit, Told what) {
    Entry* entry = impl_->find(unit);
    return entry != nullptr && impl_->on_told(*entry, what);
}

bool Manager::on_adopted(Token main_token, Token token, int pid) {
    return impl_->on_adopted(main_token, token, pid);
}

void Manager::on_daemon_missing(Token main_token, const std::string& why) {
    impl_->on_daemon_missing(main_token, why);
}

void Manager::set_watchdog(std::string_view unit, std::uint64_t interval_us) {
    if (Entry* entry = impl_->find(unit)) impl_->set_watchdog(*entry, interval_us);
}

void Manager::extend_timeout(std::string_view unit, config::Duration by) {
    if (Entry* entry = impl_->find(unit)) impl_->extend_timeout(*entry, by);
}

void Manager::on_sockets_closed(std::string_view unit) {
    Entry* entry = impl_->find(unit);
    if (entry == nullptr) return;
    impl_->apply(*entry, Event::kClosed, {});
    impl_->run();
}

void Manager::restore(const std::vector<Record>& records, const StartedUnits& started) {
    for (const Record& record : records) impl_->restore(record, started);
    impl_->execute();
}

void Manager::resume() {
    for (const auto& entry : impl_->entries) impl_->resume(*entry);
    impl_->run();
}

Token Manager::next_token() const {
    return impl_->next_token;
}

void Manager::set_next_token(Token token) {
    impl_->next_token = std::max(impl_->next_token, token);
}

std::optional<Status> Manager::status(std::string_view unit) const {
    const Entry* entry = impl_->find(unit);
    if (entry == nullptr) return std::nullopt;
    const Vitals& record = entry->record();
    Status status;
    status.unit = entry->loaded.get();
    status.record = record;
    status.because = because_of(*entry);
    // A start would be refused, and says so; who only looks is to know it too.
    if (status.because.empty() && record.state == State::kInactive) status.because = *entry->broken;
    if (record.state == State::kBackoff) {
        status.next_restart_ns = record.backoff_until_ns;
        status.next_delays = delays_after(entry->loaded->service, record.backoff_level);
    }
    status.health_reason = entry->life.health->reason;
    status.health_changed_ns = entry->life.health->changed_ns;
    status.health_checked_ns = entry->life.health->checked_ns;
    if (!entry->life.jobs.empty()) status.job = entry->life.jobs.front().id;
    const bool differs = !std::ranges::equal(record.digest, entry->loaded->digest);
    // Of an instance that goes when it is over, the template may be as it was. A target that only
    // others name has no file to lose.
    const bool has_file = !config::is_connection_name(entry->name()) &&
                          !(entry->loaded->is_target && entry->loaded->files.empty());
    const bool lost_file = entry->removed && has_file;
    status.file_gone = !is_idle(*entry) && lost_file;
    status.stale = !is_idle(*entry) && differs && !entry->removed;
    return status;
}

std::vector<std::string> Manager::names() const {
    std::vector<std::string> names;
    names.reserve(impl_->entries.size());
    for (const auto& entry : impl_->entries) names.push_back(entry->name());
    return names;
}

const config::Unit* Manager::find(std::string_view unit) const {
    const Entry* entry = impl_->find(unit);
    return entry == nullptr ? nullptr : entry->loaded.get();
}

}  // namespace jailsvc::service
