// Phase two: the observer is told what has changed, then the effects are executed, in order.

#include <utility>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {

/// What was kept for a restart that will not be, however it came that the unit rests; and sockets
/// of one that was to come up again, and cannot.
void Manager::Impl::release_kept() {
    for (Entry* entry : touched) {
        Vitals& record = entry->record();
        if (at_rest(*entry) && record.sockets != 0) close_sockets(*entry);
        if (record.kept == 0 || !at_rest(*entry)) continue;
        record.kept = 0;
        effects.push_back(
            {.kind = Effect::Kind::kRelease, .entry = entry, .token = record.main_token});
    }
}

void Manager::Impl::carry_out(const Effect& effect) {
    const std::string& unit = effect.entry->name();
    switch (effect.kind) {
        case Effect::Kind::kLaunch:
            return launcher.launch(effect.launch);
        case Effect::Kind::kSignal:
            return launcher.signal(unit, effect.token, effect.signo, effect.whom);
        case Effect::Kind::kTeardown:
            return launcher.teardown(unit, effect.token, effect.restarts);
        case Effect::Kind::kRelease:
            return launcher.release(unit, effect.token);
        case Effect::Kind::kAwait:
            return launcher.await_connection(unit);
        case Effect::Kind::kCloseSockets:
            return launcher.close_sockets(unit);
        case Effect::Kind::kFindDaemon:
            return launcher.find_daemon(unit, effect.token);
        case Effect::Kind::kArm:
            return timers.arm(unit, effect.timer, effect.after);
        case Effect::Kind::kDisarm:
            return timers.disarm(unit, effect.timer);
    }
}

void Manager::Impl::execute() {
    release_kept();
    for (Entry* entry : touched) {
        entry->touched = false;
        observer.changed(record_of(*entry), std::exchange(entry->told, entry->record().state));
    }
    touched.clear();
    for (const Effect& effect : effects) carry_out(effect);
    effects.clear();
    for (const auto& change : std::exchange(health_changes, {})) {
        observer.health_changed(change.entry->name(), change.before, change.now, change.reason);
    }
    for (const auto& [entry, text] : std::exchange(notes, {})) observer.noted(entry->name(), text);
    for (const auto& [entry, code] : std::exchange(essential_ends, {})) {
        observer.essential_ended(entry->name(), code);
    }
    for (const auto& [job, result] : settled) observer.settled(job, result);
    settled.clear();
}

}  // namespace jailsvc::service
