#pragma once

#include <cstdint>
#include <optional>

#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {

/// nullopt: the stub is in a network namespace that is not ours, is the one with the inode
/// `expected` (0: any), and has the interfaces and addresses of a JSV_OP_NETWORK, none besides. Of
/// a JSV_OP_NETWORK_JOIN the namespace alone.
[[nodiscard]] std::optional<JailFailure> attest_network(std::uint32_t index, const Op& op,
                                                        pid_t stub, std::uint64_t expected);

}  // namespace jailsvc::jailer
