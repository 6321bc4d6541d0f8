#pragma once

#include <string>

#include "config/socket_address.hpp"

namespace jailsvc::jailer {

/// Who has an address that is in use, as far as /proc tells: "nginx (pid 123)"; empty where it does
/// not. Looks at every descriptor of every process: for errors only.
[[nodiscard]] std::string holder_of(const config::SocketAddress& address);

}  // namespace jailsvc::jailer
