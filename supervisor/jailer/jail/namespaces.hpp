#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {

struct NamespaceType {
    std::uint64_t flag;     ///< CLONE_NEW*
    std::string_view name;  ///< of the file in /proc/PID/ns
};
[[nodiscard]] std::span<const NamespaceType> namespace_types();

/// Identifies a namespace (its inode in nsfs, namespaces(7)). `op` is named in the failure.
[[nodiscard]] Jailed<std::uint64_t> namespace_id(std::uint32_t op, pid_t pid,
                                                 std::string_view name);

}  // namespace jailsvc::jailer
