#pragma once

#include <jailsvc_plugin.h>

#include <functional>
#include <string>
#include <string_view>

namespace jailsvc::doctor {

/// What became of one attempt at something a jail or the supervisor needs.
struct Finding {
    enum class Outcome { kWorks, kFails, kAbsent };
    std::string owner{};  ///< "core", or the plugin's name
    std::string name{};   ///< "read-only bind mounts"
    Outcome outcome = Outcome::kAbsent;
    std::string hint{};  ///< what it is about, or the cure where it fails; may be empty
};

/// Writes what it found into the probe, which is zero but for its size; 0, or -ENOENT for "there is
/// no such probe".
using Attempt = std::function<int(jsv_probe&)>;

/// Runs the attempt in a process of its own, which may take itself apart, crash or hang: it is
/// killed after kProbeSeconds. Returns -ENOENT where the attempt did, 0 otherwise.
[[nodiscard]] int try_apart(std::string_view owner, const Attempt& attempt, Finding& finding);

inline constexpr unsigned kProbeSeconds = 10;

}  // namespace jailsvc::doctor
