#pragma once

#include <string>
#include <vector>

#include "context.hpp"

/// Whether units are started with others, and at all: `jailsvc enable` and its like.
namespace jailsvc::ctl {

enum class Verb { kEnable, kDisable, kMask, kUnmask };

struct InstallOptions {
    Verb verb = Verb::kEnable;
    std::vector<std::string> units;
    std::vector<std::string> by;  ///< of enable: who is to want them, instead of what they say
    bool now = false;             ///< start or stop them, too
};
int run_install(const Context& context, const InstallOptions& options);
/// Enables and disables units, all if none is named, as the presets want it.
int run_preset(const Context& context, const std::vector<std::string>& units);
int run_is_enabled(const Context& context, const std::string& unit);

/// What `jailsvcd installed` says of these units and of where the site's are; an error where one of
/// them is unknown.
[[nodiscard]] Result<Json> ask_installed(const Context& context,
                                         const std::vector<std::string>& units);

/// "enabled", "disabled", "masked" or "static" (wanted by nobody), of one of its units.
[[nodiscard]] std::string install_state(const Json& unit);
/// The same, whether it is masked or not.
[[nodiscard]] std::string wanted_state(const Json& unit);

/// What is to be done to the one file that says the matter.
struct SiteChange {
    enum class What { kNothing, kWrite, kRemove };
    What what = What::kNothing;
    std::string text;  ///< of kWrite
};
/// Pure. `unit` is one of ask_installed's. Where the unit is without the file what it is meant to
/// be, the file goes away.
[[nodiscard]] Result<SiteChange> plan_change(Verb verb, const Json& unit,
                                             const std::vector<std::string>& by);

/// DaemonReload, where a supervisor runs; false: none does.
[[nodiscard]] Result<bool> reload_if_running(const Context& context);

}  // namespace jailsvc::ctl
