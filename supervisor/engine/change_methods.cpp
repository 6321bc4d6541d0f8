#include "engine/change_methods.hpp"

#include <algorithm>
#include <csignal>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "control/varlink.hpp"
#include "engine/messages.hpp"

namespace jailsvc::engine::methods {
namespace {

/// Calls that wait for jobs, of all clients together.
constexpr std::size_t kMaxWaiting = 4096;
/// Units whose files are looked at before one starts; a look takes some time.
constexpr std::size_t kMaxLooks = 64;

bool is_at_rest(const service::Manager& manager, const std::string& unit) {
    const auto status = manager.status(unit);
    return status && (status->record.state == service::State::kInactive ||
                      status->record.state == service::State::kBackoff ||
                      status->record.state == service::State::kFailed);
}

/// Of the unit's files, or of those of a unit that would start because it requires it.
std::string what_is_outdated(const Parts& parts, const std::string& unit) {
    std::vector<std::string> names{unit};
    for (std::size_t i = 0; i < names.size() && i < kMaxLooks; ++i) {
        const auto* errors = parts.elsewhere.file_errors(names[i]);
        if (errors != nullptr && !errors->empty()) continue;  // the manager refuses it for that
        const std::string text = parts.elsewhere.outdated(names[i]);
        if (!text.empty()) return i == 0 ? text : names[i] + ", which it requires: " + text;
        const config::Unit* known = parts.manager.find(names[i]);
        if (known == nullptr) continue;
        for (const auto* required : {&known->unit.requires_, &known->unit.binds_to}) {
            std::ranges::copy_if(*required, std::back_inserter(names), [&](const auto& name) {
                return is_at_rest(parts.manager, name) &&
                       std::ranges::find(names, name) == names.end();
            });
        }
    }
    return {};
}

/// Asks for the change, if that makes sense: then there is a job.
void change_one(const Parts& parts, UnitOutcome& outcome, service::Request what,
                std::optional<service::JobId>& job) {
    const std::string& name = outcome.unit;
    // What runs would be stopped for a start that cannot be; what does not run cannot start.
    const bool starts = what == service::Request::kRestart ||
                        (what == service::Request::kStart && is_at_rest(parts.manager, name));
    const auto* errors = starts ? parts.elsewhere.file_errors(name) : nullptr;
    if (errors != nullptr && !errors->empty()) {
        outcome.result = "refused";
        outcome.message =
            "left as it is, since its file has errors; mend them first: " + errors->front();
        return;
    }
    const std::string outdated = starts ? what_is_outdated(parts, name) : std::string();
    if (!outdated.empty()) {
        outcome.result = "refused";
        outcome.message = "left as it is: " + outdated;
        return;
    }
    const auto asked = parts.manager.request(what, name);
    outcome.result = asked ? "queued" : "refused";
    if (asked) {
        job = *asked;
        parts.elsewhere.note_asked(name, what);
    } else {
        outcome.message = without_unit(asked.error().message, name);
    }
}

void change(const Parts& parts, Request& request, service::Request what) {
    auto outcomes = taken(request, parts.naming.units(request.parameters));
    if (!outcomes) return;
    const auto no_block = taken(request, flag(request.parameters, "no_block"));
    if (!no_block) return;
    if (!*no_block && parts.jobs.waiting() + outcomes->size() > kMaxWaiting) {
        return answer(request.client,
                      control::error_reply("LimitReached",
                                           {{"what", "too many calls wait already; try again"}}));
    }
    std::vector<std::pair<service::JobId, std::size_t>> waiting;
    for (std::size_t i = 0; i < outcomes->size(); ++i) {
        UnitOutcome& outcome = (*outcomes)[i];
        if (!outcome.result.empty()) continue;
        std::optional<service::JobId> job;
        change_one(parts, outcome, what, job);
        // Jobs that settled within the request wait at the reporter like all others.
        if (job && !*no_block) waiting.emplace_back(*job, i);
    }
    parts.jobs.wait_all(std::move(*outcomes), waiting, request.client);
}

/// The kernel takes its time for it: `status` tells when it is done.
void hold(const Parts& parts, Request& request, bool on) {
    auto outcomes = taken(request, parts.naming.units(request.parameters));
    if (!outcomes) return;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        const auto status = parts.manager.status(outcome.unit);
        const bool runs = status && status->record.main_pid > 0;
        const bool grouped = runs && parts.elsewhere.is_grouped(outcome.unit);
        outcome.result = grouped ? "done" : "refused";
        if (!runs) outcome.message = "no main process runs";
        if (runs && !grouped) outcome.message = "it has no control group that could be frozen";
        if (grouped) parts.elsewhere.freeze(outcome.unit, on);
    }
    answer(request.client, outcomes_reply(*outcomes));
}

}  // namespace

void start(const Parts& parts, Request& request) {
    change(parts, request, service::Request::kStart);
}

void stop(const Parts& parts, Request& request) {
    change(parts, request, service::Request::kStop);
}

void restart(const Parts& parts, Request& request) {
    change(parts, request, service::Request::kRestart);
}

void reload(const Parts& parts, Request& request) {
    change(parts, request, service::Request::kReload);
}

void freeze(const Parts& parts, Request& request) {
    hold(parts, request, true);
}

void thaw(const Parts& parts, Request& request) {
    hold(parts, request, false);
}

void kill(const Parts& parts, Request& request) {
    auto outcomes = taken(request, parts.naming.units(request.parameters));
    if (!outcomes) return;
    const auto all = taken(request, flag(request.parameters, "all"));
    if (!all) return;
    const auto signal = request.parameters.find("signal");
    if (signal == request.parameters.end() || !signal->is_number_integer() || *signal < 1 ||
        *signal > SIGRTMAX) {
        return answer(request.client, control::invalid_parameter("signal"));
    }
    const auto whom = *all ? service::Whom::kAll : service::Whom::kProcess;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        const auto sent = parts.manager.kill(outcome.unit, signal->get<int>(), whom);
        outcome.result = sent ? "done" : "refused";
        if (!sent) outcome.message = without_unit(sent.error().message, outcome.unit);
    }
    answer(request.client, outcomes_reply(*outcomes));
}

void reset_failed(const Parts& parts, Request& request) {
    auto outcomes = taken(request, parts.naming.units(request.parameters));
    if (!outcomes) return;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        parts.manager.reset_failed(outcome.unit);
        outcome.result = "done";
    }
    answer(request.client, outcomes_reply(*outcomes));
}

/// As if its time had come, or a connection.
void trigger(const Parts& parts, Request& request) {
    auto outcomes = taken(request, parts.naming.units(request.parameters));
    if (!outcomes) return;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        const auto status = parts.manager.status(outcome.unit);
        const bool waits = status && status->record.state == service::State::kListening &&
                           !status->unit->is_target;
        outcome.result = waits ? "done" : "refused";
        if (waits) {
            parts.manager.on_activated(outcome.unit);
        } else {
            outcome.message =
                "waits neither for a time nor for connections; `jailsvc start` lets "
                "a unit with [timer] or an on-demand [socket] wait";
        }
    }
    answer(request.client, outcomes_reply(*outcomes));
}

}  // namespace jailsvc::engine::methods
