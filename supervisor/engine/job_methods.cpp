#include "engine/job_methods.hpp"

#include <optional>
#include <string>
#include <utility>

#include "config/names.hpp"
#include "control/varlink.hpp"
#include "engine/messages.hpp"

namespace jailsvc::engine::methods {

using control::Json;

namespace {

/// The name in "unit"; a job's need not be known yet.
std::optional<std::string> job_name(const Json& parameters) {
    const auto found = parameters.find("unit");
    if (found == parameters.end() || !found->is_string()) return std::nullopt;
    auto name = found->get<std::string>();
    const bool plain = config::is_unit_name(name) && name.find('@') == std::string::npos;
    return plain ? std::optional(std::move(name)) : std::nullopt;
}

}  // namespace

void run_job(const Parts& parts, Request& request) {
    const auto name = job_name(request.parameters);
    if (!name) return answer(request.client, control::invalid_parameter("unit"));
    const auto wait = taken(request, flag(request.parameters, "wait"));
    if (!wait) return;
    const auto lends = taken(request, flag(request.parameters, "lends"));
    if (!lends) return;
    const bool has_one = request.fds.size() == 1 && is_packet_socket(request.fds[0].get());
    if (*lends ? !has_one : !request.fds.empty()) {
        return answer(request.client,
                      control::failed("RunJob needs one SOCK_SEQPACKET descriptor with \"lends\", "
                                      "and none without"));
    }
    parts.elsewhere.run_job(*name, *wait, *lends ? std::move(request.fds[0]) : Fd(),
                            request.client);
}

void wait_job(const Parts& parts, Request& request) {
    const auto name = job_name(request.parameters);
    if (!name) return answer(request.client, control::invalid_parameter("unit"));
    parts.elsewhere.wait_job(*name, request.client);
}

void list_jobs(const Parts& parts, Request& request) {
    auto list = Json::array();
    for (const std::string& unit : parts.elsewhere.jobs()) {
        Json job = parts.elsewhere.job(unit);
        if (!job.is_null()) list.push_back(std::move(job));
    }
    answer(request.client, {.parameters = {{"jobs", std::move(list)}}});
}

void remove_jobs(const Parts& parts, Request& request) {
    auto outcomes = taken(request, parts.naming.units(request.parameters));
    if (!outcomes) return;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        const bool removed = parts.elsewhere.remove_job(outcome.unit);
        outcome.result = removed ? "done" : "refused";
        if (!removed) outcome.message = "is no job, or not over; `jailsvc job stop` ends one";
    }
    answer(request.client, outcomes_reply(*outcomes));
}

}  // namespace jailsvc::engine::methods
