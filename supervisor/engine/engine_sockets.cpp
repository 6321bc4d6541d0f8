// What comes over units' sockets, which the jailer holds: the engine decides what is started.

#include <spdlog/spdlog.h>

#include <utility>

#include "config/names.hpp"
#include "engine/engine.hpp"

namespace jailsvc::engine {

/// Of a unit that waits; before the units are loaded it is asked again anyway (Manager::resume).
void Engine::on_activated(const ipc::Activated& activated) {
    if (!ready_) return;
    manager_.on_activated(ipc::get_text(activated.unit),
                          std::string(ipc::get_text(activated.text)));
}

void Engine::on_connection(const ipc::Connection& connection) {
    if (!ready_) return connections_.push_back(connection);
    const std::string instance(ipc::get_text(connection.instance));
    if (!config::is_connection_name(instance)) return;
    const auto started = start_for_connection(instance);
    if (started) return manager_.forget_when_down(instance);
    spdlog::error("{}: a connection was closed: {}", ipc::get_text(connection.unit),
                  started.error().message);
    launcher_.close_sockets(instance);
}

Result<void> Engine::start_for_connection(const std::string& instance) {
    if (manager_.find(instance) == nullptr) load_instances({instance});
    if (manager_.find(instance) == nullptr) {
        const auto* errors = file_errors(instance);
        if (errors != nullptr && !errors->empty()) return fail(errors->front());
        const std::string name = config::split_name(instance).prefix;
        return fail("there is no template " + name + "@.toml; add it");
    }
    TRY([[maybe_unused]] const auto job, manager_.request(service::Request::kStart, instance));
    return {};
}

/// Sockets of a unit that has come to rest while nobody could say so are closed.
void Engine::on_socket_state(const ipc::SocketState& state) {
    sockets_.set(state);
    if (!ready_) return;
    if (state.open > 0) return close_unused(std::string(ipc::get_text(state.unit)));
    manager_.on_sockets_closed(ipc::get_text(state.unit));
}

void Engine::close_unused(const std::string& unit) {
    const auto status = manager_.status(unit);
    const bool rests = !status || status->record.state == service::State::kInactive ||
                       status->record.state == service::State::kFailed;
    if (rests) launcher_.close_sockets(unit);
}

/// Once the units are loaded and what happened meanwhile is told.
void Engine::settle_sockets() {
    for (const std::string& unit : sockets_.units()) close_unused(unit);
    for (const ipc::Connection& one : std::exchange(connections_, {})) on_connection(one);
}

/// Instances that are made for connections go when they are over, whoever loaded them.
void Engine::mark_connections() {
    for (const std::string& unit : manager_.names()) {
        if (config::is_connection_name(unit)) manager_.forget_when_down(unit);
    }
}

void Engine::forget_dropped() {
    for (const std::string& unit : reporter_.take_dropped()) {
        transients_.changed(unit);
        const bool over = transients_.take_collected(unit);
        if (over) discard_job(unit);
        if (!over && !config::is_connection_name(unit)) continue;
        if (manager_.find(unit) != nullptr) continue;
        timers_.forget(unit);
        file_errors_.erase(unit);
        if (records_) records_->erase(unit);
        auto forget = ipc::make<ipc::Forget>();
        ipc::set_text(forget.unit, unit);
        jailer_.send(forget);
    }
}

Sockets::State Engine::socket_state(std::string_view unit) const {
    return sockets_.of(unit);
}

}  // namespace jailsvc::engine
