// What the keeper, the jailer and the logger send, each to where it belongs.

#include <spdlog/spdlog.h>

#include <utility>

#include "base/sys.hpp"
#include "engine/engine.hpp"

namespace jailsvc::engine {

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
        shutdown_.begin_for_keeper(shutdown->kind);
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

void Engine::lost_logger() {
    asks_.logger_lost();
    transients_.logger_lost();
}

void Engine::from_logger(ipc::Packet& packet) {
    if (const auto* over = packet.as<ipc::LogRunOver>()) return on_run_over(*over);
    asks_.on_log_opened(packet);
}

void Engine::on_peer(ipc::Role role, Fd socket) {
    if (!socket) return spdlog::error("keeper: a peer without a descriptor");
    if (role == ipc::Role::kLogger) {
        lost_logger();  // its end may not have been read yet, and what it was asked is lost
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

void Engine::jailer_lost() {
    for (const ipc::Exited& exited : early_exits_.give_up_all()) tell_exit(exited);
    asks_.jailer_lost();
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

}  // namespace jailsvc::engine
