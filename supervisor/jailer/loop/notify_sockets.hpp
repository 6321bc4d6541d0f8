#pragma once

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/loop/core.hpp"

/// Where services tell of themselves: made here, kept by the keeper, read by the engine.
namespace jailsvc::jailer {

/// Makes the notify socket of a jail about to be made, if its unit is to have one, and has it kept;
/// an earlier one of the unit is replaced, and with it what was said and not read. What it is bound
/// into the jail by is added to `work`.
[[nodiscard]] Result<void> give_notify_socket(Core& core, const LoadedUnit& loaded,
                                              ParentWork& work);

/// Makes the pipe of a main process that is to write a newline when it is ready; has its read end
/// kept, and passes the other to the program under the number that its unit names. Empty for all
/// other types. Both are held
/// until the program has them, as is what fills the numbers below it (/dev/null).
[[nodiscard]] Result<std::vector<Fd>> give_notify_pipe(Core& core, const LoadedUnit& loaded,
                                                       Program& program);

/// The unit is not loaded any more.
void forget_notify_socket(Core& core, const std::string& unit);

}  // namespace jailsvc::jailer
