#pragma once

#include <expected>
#include <string>

#include "base/result.hpp"
#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {

/// Why a start did not end in an executed program, as the engine is told it.
struct StartFailure {
    int code = 0;  ///< errno, or 0
    std::string plugin = "core";
    std::string operation;
    std::string text;  ///< for people, complete
};
using Attempt = std::expected<void, StartFailure>;

[[nodiscard]] StartFailure to_failure(const Plan& plan, const JailFailure& failure);
[[nodiscard]] StartFailure to_failure(const std::string& operation, const Error& error);

}  // namespace jailsvc::jailer
