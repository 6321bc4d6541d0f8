#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace jailsvc::engine {

/// One datagram from a notify socket, and who sent it: the kernel says so, and goes on saying so
/// when that process has ended.
struct NotifyDatagram {
    pid_t pid = 0;  ///< in our pid namespace; 0: unknown there
    std::string text;
    std::vector<Fd> fds;
    bool whole = true;  ///< neither the text nor its descriptors were cut
};

/// nullopt: none is waiting, or the socket is of no use.
[[nodiscard]] std::optional<NotifyDatagram> receive_notify(int socket);

}  // namespace jailsvc::engine
