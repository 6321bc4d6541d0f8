#pragma once

#include <functional>
#include <string>
#include <vector>

#include "context.hpp"

/// The programs of lib/jailsvc that do a command's work where no supervisor is needed.
namespace jailsvc::ctl {

/// Becomes one of them; returns, with an exit code, only if that fails.
int become(const Context& context, const std::string& program, std::vector<std::string> arguments);

/// `jailsvcd VERB` with --config and --state as they were given to us.
[[nodiscard]] std::vector<std::string> with_places(const Context& context, const char* verb);

/// What a child writes until it ends, and its exit code.
struct Said {
    std::string text;
    int code = kFailure;
};
enum class Listen { kBoth, kOutputOnly };  ///< whether to standard error, too
[[nodiscard]] Result<Said> listen_to(const std::function<int()>& child,
                                     Listen listen = Listen::kBoth);

/// Runs `child` in a process of its own until it ends; its exit code, 128 + N for signal N.
[[nodiscard]] Result<int> run_apart(const std::function<int()>& child);

}  // namespace jailsvc::ctl
