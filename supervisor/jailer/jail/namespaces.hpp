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
/// The same of this process, read once: it leaves none of its namespaces for good, and but the
/// network's, which is read each time, for no moment in which anything is attested.
[[nodiscard]] Jailed<std::uint64_t> own_namespace_id(std::uint32_t op, const NamespaceType& type);

}  // namespace jailsvc::jailer
