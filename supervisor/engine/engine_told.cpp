// What services tell of themselves, and who their main processes are: the engine's part in it.

#include <spdlog/spdlog.h>

#include <utility>

#include "base/sys.hpp"
#include "engine/engine.hpp"

namespace jailsvc::engine {

SelfReports::Handlers Engine::for_self_reports() {
    return {.is_member = [this](const std::string& unit,
                                pid_t pid) { return groups_.contains(unit, pid); },
            .find_main = [this](const std::string& unit, service::Token main_token,
                                std::int32_t pid) { main_processes_.find(unit, main_token, pid); },
            .keep_fds = [this](const std::string& unit, const NotifyMessage& message,
                               std::vector<Fd> fds) { keep_fds(unit, message, std::move(fds)); }};
}

MainProcesses::Handlers Engine::for_main_processes() {
    return {.draw_token = [this] { return draw_token(); },
            .is_sought = [this](const std::string& unit,
                                service::Token main) { return seeks_daemon(unit, main); },
            .adopted = [this](service::Token main, service::Token token,
                              int pid) { return manager_.on_adopted(main, token, pid); },
            .not_found = [this](const std::string&, service::Token main,
                                const std::string& why) { manager_.on_daemon_missing(main, why); },
            .ended = [this](service::Token token,
                            const service::ExitInfo& info) { tell_main_end(token, info); },
            .told = [this](const ipc::Exited& exited) { tell_exit(exited); }};
}

NotifyHub::Handlers Engine::for_notify_hub() {
    return {.datagram = [this](const std::string& unit, NotifyDatagram datagram,
                               bool open) { self_reports_.take(unit, std::move(datagram), open); },
            .newline = [this](const std::string& unit) { self_reports_.newline(unit); }};
}

service::Token Engine::draw_token() {
    const service::Token token = manager_.next_token();
    manager_.set_next_token(token + 1);
    records_->reserve(token);
    return token;
}

bool Engine::seeks_daemon(const std::string& unit, service::Token main_token) const {
    const auto status = manager_.status(unit);
    return status && status->record.main_token == main_token &&
           status->record.state == service::State::kStarting &&
           status->record.phase == service::Phase::kAwaitReady;
}

void Engine::on_notify(const ipc::Stored& stored, Fd fd) {
    if (stored.index >= ipc::kNotifyKinds) return spdlog::error("keeper: an unknown kept socket");
    const std::string unit(ipc::get_text(stored.unit));
    const auto kind = static_cast<ipc::NotifyKind>(stored.index);
    // Made for a new run: what was said in the one before is over.
    if (kind != ipc::NotifyKind::kNewline) self_reports_.forget(unit);
    notify_hub_.add(unit, kind, std::move(fd));
}

void Engine::keep_fds(const std::string& unit, const NotifyMessage& message, std::vector<Fd> fds) {
    const config::Unit* known = manager_.find(unit);
    if (known == nullptr) return;
    fd_store_.take(unit, message, std::move(fds), known->readiness->file_descriptor_store_max);
}

/// Of an engine before us.
void Engine::on_fd_store(const ipc::Stored& stored, Fd fd) {
    if (ready_ || !fd) return;
    const std::string unit(ipc::get_text(stored.unit));
    if (stored.kind == ipc::Kept::kFdStore) {
        return fd_store_.restore(unit, stored.index, std::move(fd));
    }
    auto text = sys::read_memfd(fd.get(), 64U << 10);
    if (text) fd_store_.restore_names(unit, std::move(*text));
}

/// Of one that the keeper is no parent of.
void Engine::tell_main_end(service::Token token, const service::ExitInfo& info) {
    (void)manager_.on_exited(token, info);
}

}  // namespace jailsvc::engine
