#include "control/message.hpp"

#include <fmt/format.h>

namespace jailsvc::control {
namespace {

/// Whether brackets outside strings nest deeper than `limit`. Text that is no JSON at all is left
/// to the parser to refuse.
bool nests_deeper(std::string_view text, std::size_t limit) {
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') ++i;
            if (c == '"') in_string = false;
            continue;
        }
        if (c == '"') in_string = true;
        if ((c == '[' || c == '{') && ++depth > limit) return true;
        if ((c == ']' || c == '}') && depth > 0) --depth;
    }
    return false;
}

/// A flag that may be absent or null, as varlink writes ?bool.
Result<bool> flag(const Json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return false;
    if (!found->is_boolean()) return fail(fmt::format("\"{}\" must be true or false", name));
    return found->get<bool>();
}

Result<std::string> text(const Json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return std::string();
    if (!found->is_string()) return fail(fmt::format("\"{}\" must be a string", name));
    return found->get<std::string>();
}

Result<Json> take_parameters(Json& object) {
    const auto found = object.find("parameters");
    if (found == object.end() || found->is_null()) return Json::object();
    if (!found->is_object()) return fail("\"parameters\" must be an object");
    return std::move(*found);
}

std::string frame_of(const Json& object) {
    std::string bytes = object.dump(-1, ' ', false, Json::error_handler_t::replace);
    bytes.push_back('\0');
    return bytes;
}

}  // namespace

Result<Json> parse_object(std::string_view bytes) {
    if (nests_deeper(bytes, kMaxDepth)) {
        return fail(fmt::format("JSON nested deeper than {} levels", kMaxDepth));
    }
    Json object = Json::parse(bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
    if (object.is_discarded()) return fail("not JSON");
    if (!object.is_object()) return fail("not a JSON object");
    return object;
}

Result<Call> decode_call(std::string_view frame) {
    TRY(Json object, parse_object(frame));
    Call call;
    TRY(call.method, text(object, "method"));
    if (call.method.empty()) return fail("a call without \"method\"");
    TRY(call.more, flag(object, "more"));
    TRY(call.oneway, flag(object, "oneway"));
    TRY(const bool upgrade, flag(object, "upgrade"));
    if (upgrade) return fail("\"upgrade\" is not supported");
    TRY(call.parameters, take_parameters(object));
    return call;
}

Result<Reply> decode_reply(std::string_view frame) {
    TRY(Json object, parse_object(frame));
    Reply reply;
    TRY(reply.error, text(object, "error"));
    TRY(reply.continues, flag(object, "continues"));
    TRY(reply.parameters, take_parameters(object));
    return reply;
}

std::string encode(const Call& call) {
    Json object = {{"method", call.method}, {"parameters", call.parameters}};
    if (call.more) object["more"] = true;
    if (call.oneway) object["oneway"] = true;
    return frame_of(object);
}

std::string encode(const Reply& reply) {
    Json object = {{"parameters", reply.parameters}};
    if (!reply.error.empty()) object["error"] = reply.error;
    if (reply.continues) object["continues"] = true;
    return frame_of(object);
}

}  // namespace jailsvc::control
