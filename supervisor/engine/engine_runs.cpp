// How programs start and end, as the jailer and the keeper tell it, and what befell them between.

#include <spdlog/spdlog.h>

#include <csignal>
#include <utility>

#include "base/sys.hpp"
#include "config/names.hpp"
#include "config/overlay.hpp"
#include "config/raw.hpp"
#include "engine/engine.hpp"
#include "engine/messages.hpp"

namespace jailsvc::engine {
namespace {

bool ended_before_exec(const service::ExitInfo& info) {
    return !info.by_signal && info.code == ipc::kNotExecutedCode;
}

}  // namespace

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

void Engine::on_exited(const ipc::Exited& exited) {
    if (!ready_) return exited_.push_back(exited);
    if (!early_exits_.hold(exited)) tell_exit(exited);
}

void Engine::on_answered(ipc::Token token) {
    if (const auto exited = early_exits_.answered(token)) tell_exit(*exited);
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

/// Not about to stop: a SIGKILL then is not ours.
bool Engine::is_running(std::string_view unit) const {
    const auto status = manager_.status(unit);
    return status && status->record.state != service::State::kStopping;
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

}  // namespace jailsvc::engine
