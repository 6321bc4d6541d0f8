#pragma once

#include <string>
#include <vector>

#include "jailer/credentials/secret.hpp"
#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {

/// Whom a command runs as: numeric, beside the engine's; no passwd entry is needed. Files that a
/// command is to read are given to it by chown or by its group.
inline constexpr uid_t kCommandUid = 62996;

/// What a command's jail is made with.
struct CommandPlace {
    SpawnContext spawn;               ///< for children of the caller
    CgroupEntry groups;               ///< those of the unit it runs for
    std::vector<std::string> hidden;  ///< directories that no jail may see
};

/// A command of [credentials], from the unit's text.
struct SecretCommand {
    std::string unit;
    std::string name;   ///< of the credential
    std::string words;  ///< program and arguments, divided by single spaces
};

/// What the command writes to its standard output; exit status 0 is demanded. It runs in a jail of
/// its own: the host's tree read-only, our directories hidden, the host's network, no capability,
/// no way to gain one, and all its processes end with it. Planned, applied and attested as any
/// other. Blocks; for a process that does nothing else.
[[nodiscard]] Result<Secret> run_command(const CommandPlace& place, const SecretCommand& command,
                                         Deadline deadline);

}  // namespace jailsvc::jailer
