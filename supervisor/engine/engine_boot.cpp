// restart = "unless-stopped", over boots.

#include "engine/engine.hpp"

namespace jailsvc::engine {
namespace {

bool remembers(const config::Unit& unit) {
    return unit.service.restart == config::Restart::kUnlessStopped && !unit.job->present();
}

}  // namespace

void Engine::note_asked(const std::string& unit, service::Request what) {
    const config::Unit* known = manager_.find(unit);
    if (known == nullptr || what == service::Request::kReload) return;
    const auto asked = what == service::Request::kStop ? ipc::Asked::kStop : ipc::Asked::kStart;
    boot_marks_.set(unit, remembers(*known) ? asked : ipc::Asked::kNothing);
}

bool Engine::stays_stopped(const std::string& unit) const {
    if (boot_marks_.of(unit) != ipc::Asked::kStop) return false;
    const config::Unit* known = manager_.find(unit);
    return known != nullptr && remembers(*known);
}

/// As far as their files still say so. One that was disabled since is not to be started.
service::Manager::Names Engine::remembered(ipc::Asked asked) const {
    service::Manager::Names names;
    for (const std::string& unit : boot_marks_.units(asked)) {
        const config::Unit* known = manager_.find(unit);
        if (known == nullptr || !remembers(*known)) continue;
        if (asked == ipc::Asked::kStart && (!known->install.enabled || known->unit.masked))
            continue;
        names.insert(unit);
    }
    return names;
}

}  // namespace jailsvc::engine
