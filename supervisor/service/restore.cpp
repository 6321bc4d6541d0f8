// A new engine goes on where the records of the old one end.

#include <algorithm>
#include <cstring>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {
namespace {

/// The text up to the end of its field, whether or not a NUL is there.
template <std::size_t kSize>
std::string text_of(const char (&field)[kSize]) {
    return {field, ::strnlen(field, kSize)};
}

using UnitPtr = std::shared_ptr<const config::Unit>;

/// The unit that the record's run was started as; null if it is not known.
UnitPtr started_as(const Record& record, const std::string& name,
                   const Manager::StartedUnits& started) {
    const auto found = std::ranges::find_if(started, [&](const UnitPtr& unit) {
        return unit->name == name && std::ranges::equal(unit->digest, record.digest);
    });
    return found == started.end() ? nullptr : *found;
}

/// What is known of a unit without a file: its name, and how it was started.
UnitPtr without_file(const Record& record, const std::string& name) {
    config::Unit unit;
    unit.name = name;
    std::ranges::copy(record.digest, unit.digest.begin());
    return std::make_shared<const config::Unit>(std::move(unit));
}

}  // namespace

void Manager::Impl::restore(const Record& record, const StartedUnits& started) {
    const std::string name = text_of(record.unit);
    if (name.empty() || name.size() >= sizeof(record.unit)) return;
    next_token = std::max({next_token, record.main_token + 1, record.control_token + 1,
                           record.adopted_token + 1, record.check_token + 1});
    const UnitPtr as_started = started_as(record, name, started);
    Entry* entry = find(name);
    if (entry == nullptr) {
        auto gone = std::make_unique<Entry>();
        gone->loaded = as_started != nullptr ? as_started : without_file(record, name);
        gone->removed = true;
        ++removed;
        entry = &entries.add(std::move(gone));
        link();
    }
    entry->record() = record;
    set_because(*entry, text_of(record.because));
    entry->told = record.state;
    if (at_rest(*entry)) return;
    ++active;
    entry->life.started = as_started != nullptr ? as_started : entry->loaded;
    if (record.main_token != 0) tokens.add(record.main_token, *entry);
    if (record.adopted_token != 0) tokens.add(record.adopted_token, *entry);
    if (record.control_token != 0) tokens.add(record.control_token, *entry);
    if (record.check_token != 0) tokens.add(record.check_token, *entry);
    // Of one whose unit is not known any more nobody can say what to check.
    if (record.health != Health::kNone && !entry->unit().health->present()) end_checks(*entry);
    rearm(*entry);
}

void Manager::Impl::resume(Entry& entry) {
    const Vitals& record = entry.record();
    if (at_rest(entry)) {
        if (record.want != Want::kNothing) queue.push(entry);
        return;
    }
    queue.push(entry);
    if (record.main_alive != 0 && record.main_pid == 0) launch_main(entry);
    if (record.control_token != 0) request_command(entry);
    if (record.check_token != 0) request_check(entry);
    if (record.state == State::kListening) {
        effects.push_back({.kind = Effect::Kind::kAwait, .entry = &entry});
    }
    const bool sought = record.state == State::kStarting && record.phase == Phase::kAwaitReady &&
                        record.main_alive == 0;
    if (sought) find_daemon(entry);
    if (record.state != State::kStopping) return;
    if (record.phase == Phase::kTerminate) terminate(entry);
    if (record.phase == Phase::kKill) kill_all(entry);
    if (record.phase == Phase::kTeardown) tear_down(entry);
    if (record.phase == Phase::kClose) {
        effects.push_back({.kind = Effect::Kind::kCloseSockets, .entry = &entry});
    }
}

}  // namespace jailsvc::service
