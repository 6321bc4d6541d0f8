// Jobs: units that `jailsvc run` makes, which come and go. The files are root's to write; the
// engine loads, starts, waits and has them removed.

#include <spdlog/spdlog.h>

#include <utility>

#include "base/clock.hpp"
#include "control/varlink.hpp"
#include "engine/engine.hpp"

namespace jailsvc::engine {

Transients::Handlers Engine::for_transients() {
    return {
        .end_output = [this](const std::string& unit) { return asks_.end_output(unit); },
        .comes_again =
            [this](const std::string& unit) { return schedules_.times_of(unit).next.has_value(); },
        .describe = [this](const std::string& unit) { return job(unit); }};
}

control::Json Engine::job(const std::string& unit) const {
    const auto status = manager_.status(unit);
    if (!status) return nullptr;
    return job_of(*status, extra(unit), transients_.is_over(unit), schedules_.times_of(unit).next,
                  boottime_ns(), realtime_ns());
}

/// Its file, which must be there by now, and must be one of a job.
std::optional<control::Reply> Engine::load_job(const std::string& unit) {
    if (transients_.is_over(unit)) {
        return control::failed(unit + ": there was a job of that name; `jailsvc job remove` it");
    }
    if (manager_.find(unit) == nullptr && !load_again(unit)) {
        const auto* found = file_errors(unit);
        const std::vector<std::string> errors = found ? *found : std::vector<std::string>();
        // Who asks takes the file away again.
        if (const auto at = file_errors_.find(unit); at != file_errors_.end()) {
            file_errors_.erase(at);
        }
        if (errors.empty()) return control::error_reply("NoSuchUnit", {{"unit", unit}});
        return control::error_reply("InvalidUnit", {{"unit", unit}, {"errors", errors}});
    }
    transients_.meet(unit);
    if (transients_.is_job(unit)) return std::nullopt;
    return control::failed(unit + ": is a unit, but no job; name the job otherwise");
}

void Engine::run_job(const std::string& unit, bool wait, Fd socket, ClientRef client) {
    if (auto refused = load_job(unit)) return answer(client, std::move(*refused));
    const auto status = manager_.status(unit);
    if (status->record.state != service::State::kInactive) {
        return answer(client, control::failed(unit + ": the job runs already"));
    }
    if (socket) {
        auto lend = ipc::make<ipc::Lend>();
        ipc::set_text(lend.unit, unit);
        const auto* begin = reinterpret_cast<const std::byte*>(&lend);
        Link::Message message{{begin, begin + sizeof lend}, {}};
        message.fds.push_back(std::move(socket));
        jailer_.send(std::move(message));
    }
    const auto started = manager_.request(service::Request::kStart, unit);
    if (!started) return answer(client, control::failed(started.error().message));
    if (wait) return transients_.wait(unit, std::move(client));
    // A start that fails is told by the job as well as anybody could.
    jobs_.wait(*started, [this, unit, client](const service::JobResult&) {
        answer(client, {.parameters = {{"job", job(unit)}}});
    });
}

void Engine::wait_job(const std::string& unit, ClientRef client) {
    transients_.wait(unit, std::move(client));
}

std::vector<std::string> Engine::jobs() const {
    return transients_.units();
}

bool Engine::remove_job(const std::string& unit) {
    if (!transients_.may_go(unit)) return false;
    transients_.collect(unit);
    return true;
}

void Engine::on_run_over(const ipc::LogRunOver& over) {
    const std::string unit(ipc::get_text(over.unit));
    if (over.dropped > 0) reporter_.note_dropped_output(unit, over.dropped);
    transients_.output_ended(unit);
}

/// What others keep of a job that has left memory.
void Engine::discard_job(const std::string& unit) {
    // First, while the logger still knows that it is one.
    auto remove = ipc::make<ipc::LogRemove>();
    ipc::set_text(remove.unit, unit);
    if (logger_.up()) logger_.send(remove);
    auto discard = ipc::make<ipc::Discard>();
    ipc::set_text(discard.unit, unit);
    jailer_.send(discard);
}

}  // namespace jailsvc::engine
