#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "control/message.hpp"
#include "engine/client.hpp"
#include "engine/elsewhere.hpp"
#include "engine/jobs.hpp"
#include "engine/monitors.hpp"
#include "engine/naming.hpp"
#include "service/manager.hpp"

/// The methods of io.jailsvc.Control, by family. Each answers its client now or later, exactly
/// once.
namespace jailsvc::engine::methods {

/// What methods work with.
struct Parts {
    service::Manager& manager;
    Jobs& jobs;
    Elsewhere& elsewhere;
    Monitors& monitors;
    Naming& naming;
};

/// A call by someone who may make it, with no parameter but those that the method has.
struct Request {
    const control::Json& parameters;
    std::vector<Fd> fds;
    ClientRef client;
    bool more = false;  ///< the client takes several replies
};

/// What a parameter says; or the client has been answered what is wrong with it.
template <typename T>
[[nodiscard]] std::optional<T> taken(const Request& request, Naming::Answered<T> read) {
    if (read) return std::move(*read);
    answer(request.client, std::move(read).error());
    return std::nullopt;
}

/// The unit that "unit" names, likewise.
[[nodiscard]] inline std::optional<std::string> unit_of(const Parts& parts,
                                                        const Request& request) {
    return taken(request, parts.naming.unit(request.parameters));
}

/// Whether the descriptor is one that a client may speak to the jailer on.
[[nodiscard]] inline bool is_packet_socket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace jailsvc::engine::methods
