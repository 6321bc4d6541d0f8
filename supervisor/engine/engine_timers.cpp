// Units with a [timer]: the state machine says when they wait, Schedules when their time has come.

#include "engine/engine.hpp"

namespace jailsvc::engine {

/// Whether connections are waited for besides, which the jailer sees to.
bool Engine::await_activation(std::string_view unit) {
    const auto status = manager_.status(unit);
    if (!status) return false;
    const config::TimerTable& table = *status->unit->timer;
    if (table.present()) {
        schedules_.wait(
            std::string(unit), table,
            {.armed_ns = status->record.armed_ns, .last_run_ns = status->record.main_started_ns});
    }
    return status->unit->socket->waits_for_connections();
}

/// One that runs still is left alone.
void Engine::on_due(const std::string& unit) {
    const auto status = manager_.status(unit);
    if (!status || status->record.listening == 0) return schedules_.drop(unit);
    manager_.on_activated(unit);
}

/// Of a unit that waits already.
void Engine::take_new_times(const std::string& unit) {
    const auto status = manager_.status(unit);
    if (!status || status->record.state != service::State::kListening) return;
    schedules_.drop(unit);
    (void)await_activation(unit);
}

}  // namespace jailsvc::engine
