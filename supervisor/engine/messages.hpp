#pragma once

#include <optional>
#include <string_view>

#include "ipc/messages.hpp"
#include "service/types.hpp"

/// Messages of others in the words of the state machine, which may not include ipc/.
namespace jailsvc::engine {

[[nodiscard]] service::ExitInfo exit_info(const ipc::Exited& exited);
[[nodiscard]] service::LaunchFailure launch_failure(const ipc::StartFailed& failed);

/// "UNIT: WHAT" as WHAT, for where the unit is named already.
[[nodiscard]] std::string_view without_unit(std::string_view text, std::string_view unit);

/// exit, poweroff, reboot, halt, kexec, soft-reboot.
[[nodiscard]] std::optional<ipc::ShutdownKind> shutdown_kind(std::string_view name);

}  // namespace jailsvc::engine
