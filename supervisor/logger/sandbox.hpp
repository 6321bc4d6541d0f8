#pragma once

#include <string>

#include "base/result.hpp"

namespace jailsvc::logger {

/// What the logger takes away from itself when everything it needs is open; it reads what services
/// write. Of files it may touch those below `directory`; it can make no process, no socket and
/// reach no process. Connecting and sending stay, for the sockets it has: datagrams to a journal or
/// syslog that may come back after a restart. Threads made later are confined like it.
[[nodiscard]] Result<void> confine(const std::string& directory);

}  // namespace jailsvc::logger
