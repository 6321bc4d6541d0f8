// The methods about jobs, which `jailsvc run` makes.

#include <sys/socket.h>

#include <utility>

#include "config/names.hpp"
#include "control/varlink.hpp"
#include "engine/dispatch.hpp"
#include "engine/messages.hpp"

namespace jailsvc::engine {

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

bool is_packet_socket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

void Dispatcher::run_job(Request& request) {
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
    elsewhere_.run_job(*name, *wait, *lends ? std::move(request.fds[0]) : Fd(), request.client);
}

void Dispatcher::wait_job(Request& request) {
    const auto name = job_name(request.parameters);
    if (!name) return answer(request.client, control::invalid_parameter("unit"));
    elsewhere_.wait_job(*name, request.client);
}

void Dispatcher::list_jobs(Request& request) {
    auto list = Json::array();
    for (const std::string& unit : elsewhere_.jobs()) {
        Json job = elsewhere_.job(unit);
        if (!job.is_null()) list.push_back(std::move(job));
    }
    answer(request.client, {.parameters = {{"jobs", std::move(list)}}});
}

void Dispatcher::remove_jobs(Request& request) {
    auto outcomes = taken(request, naming_.units(request.parameters));
    if (!outcomes) return;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        const bool removed = elsewhere_.remove_job(outcome.unit);
        outcome.result = removed ? "done" : "refused";
        if (!removed) outcome.message = "is no job, or not over; `jailsvc job stop` ends one";
    }
    answer(request.client, outcomes_reply(*outcomes));
}

}  // namespace jailsvc::engine
