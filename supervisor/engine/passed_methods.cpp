#include "engine/passed_methods.hpp"

#include <sys/socket.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "config/names.hpp"
#include "control/varlink.hpp"

namespace jailsvc::engine::methods {
namespace {

using control::Json;
using control::Reply;

constexpr std::size_t kMaxProperties = 64;

/// At least one, each a string.
std::optional<std::map<std::string, std::string>> read_properties(const Json& parameters) {
    const auto found = parameters.find("properties");
    if (found == parameters.end() || !found->is_object() || found->empty() ||
        found->size() > kMaxProperties) {
        return std::nullopt;
    }
    std::map<std::string, std::string> pairs;
    for (const auto& [key, value] : found->items()) {
        if (!value.is_string()) return std::nullopt;
        pairs.emplace(key, value.get<std::string>());
    }
    return pairs;
}

Reply not_running(const std::string& unit) {
    return control::error_reply("NotRunning", {{"unit", unit}});
}

}  // namespace

void plan(const Parts& parts, Request& request) {
    const auto name = unit_of(parts, request);
    if (!name) return;
    if (parts.manager.find(*name)->is_target) {
        return answer(request.client, control::failed(*name + ": a target has no jail"));
    }
    parts.elsewhere.plan(*name, request.client);
}

void logs(const Parts& parts, Request& request) {
    const auto named = taken(request, parts.naming.logged(request.parameters));
    if (!named) return;
    const auto& [name, refusal] = *named;
    if (refusal && !config::is_unit_name(name)) return answer(request.client, *refusal);
    const auto follow = taken(request, flag(request.parameters, "follow"));
    if (!follow) return;
    const auto file = request.parameters.find("file");
    const bool numbered = file != request.parameters.end();
    if (numbered && (*follow || !file->is_number_unsigned())) {
        return answer(request.client, control::invalid_parameter("file"));
    }
    parts.elsewhere.logs({.unit = name,
                          .follow = *follow,
                          .file = numbered ? file->get<std::uint64_t>() : 0,
                          .if_none = refusal},
                         request.client);
}

void exec(const Parts& parts, Request& request) {
    const auto name = unit_of(parts, request);
    if (!name) return;
    // The client has told the jailer the name it was given, and the jailer knows no aliases.
    if (request.parameters["unit"] != *name) {
        return answer(request.client, control::error_reply("IsAlias", {{"unit", *name}}));
    }
    if (request.fds.size() != 1 || !is_packet_socket(request.fds[0].get())) {
        return answer(request.client,
                      control::failed("Exec needs one SOCK_SEQPACKET descriptor with the call"));
    }
    const auto status = parts.manager.status(*name);
    if (!status || status->record.main_pid <= 0) return answer(request.client, not_running(*name));
    parts.elsewhere.exec(*name, status->record.main_token, std::move(request.fds[0]),
                         request.client);
}

void set_property(const Parts& parts, Request& request) {
    const auto name = unit_of(parts, request);
    if (!name) return;
    if (parts.manager.find(*name)->is_target) {
        return answer(request.client,
                      control::failed(*name + ": a target runs no program, so it has no limits"));
    }
    const auto pairs = read_properties(request.parameters);
    if (!pairs) return answer(request.client, control::invalid_parameter("properties"));
    const auto* errors = parts.elsewhere.file_errors(*name);
    if (errors != nullptr && !errors->empty()) {
        return answer(request.client,
                      control::error_reply("InvalidUnit", {{"unit", *name}, {"errors", *errors}}));
    }
    parts.elsewhere.set_property(*name, *pairs, request.client);
}

}  // namespace jailsvc::engine::methods
