#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// What frames say: calls and replies of varlink (https://varlink.org/Method-Call).
namespace jailsvc::control {

using Json = nlohmann::json;

/// Nesting beyond this is refused before parsing: nlohmann's writer recurses per level.
inline constexpr std::size_t kMaxDepth = 64;

struct Call {
    std::string method{};              ///< "io.jailsvc.Control.Start"
    Json parameters = Json::object();  ///< always an object
    bool more = false;                 ///< several replies are welcome
    bool oneway = false;               ///< no reply at all
};

struct Reply {
    std::string error{};  ///< qualified name; empty: success
    Json parameters = Json::object();
    bool continues = false;  ///< more replies to the same call follow
};

/// An object from a frame's bytes; never throws, whatever they are. Errors: not JSON, not an
/// object, nested too deep.
[[nodiscard]] Result<Json> parse_object(std::string_view bytes);

[[nodiscard]] Result<Call> decode_call(std::string_view frame);
[[nodiscard]] Result<Reply> decode_reply(std::string_view frame);

/// With the terminating NUL. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string encode(const Call& call);
[[nodiscard]] std::string encode(const Reply& reply);

}  // namespace jailsvc::control
