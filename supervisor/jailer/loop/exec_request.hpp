#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace jailsvc::jailer {

/// What a client wants run in a jail, with its own standard descriptors.
struct ExecRequest {
    std::string unit;  ///< whose jail the client means
    std::vector<std::string> argv;
    std::vector<std::string> environment;  ///< "NAME=VALUE"
    bool own_terminal = false;             ///< stdin is to be the command's controlling terminal
    Fd stdio[3];
};

/// The strings of the packet, every count and length checked: they come from a client.
[[nodiscard]] Result<ExecRequest> parse_exec_request(std::string_view packet);

/// Reads the one packet from the client's socket, without blocking; nullopt: it is not there yet.
/// Refused unless the kernel stamped it with the credentials of root or of `own_uid`, and unless
/// exactly three descriptors came along. (The client sets SO_PASSCRED on both ends before it sends
/// the socket away: unix(7), the option counts at the time of sending.)
[[nodiscard]] Result<std::optional<ExecRequest>> receive_exec_request(int socket, uid_t own_uid);

/// The standard descriptors that a client lends to a job.
struct LendRequest {
    std::string unit;
    Fd stdio[3];
};

/// The same for the one packet of a client that lends its descriptors.
[[nodiscard]] Result<std::optional<LendRequest>> receive_lend_request(int socket, uid_t own_uid);

/// Where `name` is in a jail whose root is the open directory `root`: as it is with a slash in it,
/// else the first executable file of that name along `path` ("/usr/bin:/bin"). Links are followed
/// inside the jail's root only.
[[nodiscard]] Result<std::string> find_program(int root, const std::string& name,
                                               std::string_view path);

}  // namespace jailsvc::jailer
