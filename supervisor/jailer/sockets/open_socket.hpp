#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"
#include "config/socket_address.hpp"
#include "config/unit.hpp"

namespace jailsvc::jailer {

/// Bound, with the options of the table, and listening; a FIFO is open for both directions. With
/// the file's mode and owner from the moment on that anybody could use it. A stale file of that
/// name is replaced if it is of the same kind and nobody listens.
[[nodiscard]] Result<Fd> open_socket(const config::SocketAddress& address,
                                     const config::SocketTable& table);

/// Whether connections can still be made to it. Who has its descriptor may shut it down: one of an
/// internet address is made to listen again, since it holds that address as long as anybody has it.
[[nodiscard]] bool still_listens(int fd, const config::SocketAddress& address,
                                 const config::SocketTable& table);

/// The file of a socket that is closed, if it is still one.
void remove_socket_file(const config::SocketAddress& address);

}  // namespace jailsvc::jailer
