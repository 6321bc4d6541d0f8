#pragma once

#include <cerrno>
#include <cstring>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace jailsvc {

/// Why something did not happen. `message` names the offence, then the cure; `code` is the errno
/// behind it, or 0 where none was.
struct Error {
    std::string message;
    int code = 0;
};

template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(std::string message, int code = 0) {
    return std::unexpected(Error{std::move(message), code});
}

/// "WHAT: No such file or directory", with the errno kept. Defaults to the current errno.
[[nodiscard]] inline std::unexpected<Error> fail_errno(std::string_view what, int code = errno) {
    std::string message(what);
    message += ": ";
    message += ::strerrordesc_np(code) != nullptr ? ::strerrordesc_np(code) : "unknown error";
    return std::unexpected(Error{std::move(message), code});
}

/// The same error seen from one level further out: "CONTEXT: MESSAGE".
[[nodiscard]] inline std::unexpected<Error> fail_in(std::string_view context, Error inner) {
    inner.message = std::string(context) + ": " + inner.message;
    return std::unexpected(std::move(inner));
}

}  // namespace jailsvc

#define JAILSVC_CONCAT_2(a, b) a##b
#define JAILSVC_CONCAT(a, b) JAILSVC_CONCAT_2(a, b)
#define JAILSVC_TRY_AS(temp, declaration, expression)           \
    auto temp = (expression);                                   \
    if (!temp) return std::unexpected(std::move(temp).error()); \
    declaration = std::move(*temp)

/// TRY(auto fd, sys::open(path, O_RDONLY)); — the value, or return the error to our caller.
#define TRY(declaration, expression) \
    JAILSVC_TRY_AS(JAILSVC_CONCAT(try_, __LINE__), declaration, expression)

/// TRY_VOID(step()); — go on, or return the error to our caller.
#define TRY_VOID(expression)                                     \
    do {                                                         \
        if (auto try_void = (expression); !try_void)             \
            return std::unexpected(std::move(try_void).error()); \
    } while (false)
