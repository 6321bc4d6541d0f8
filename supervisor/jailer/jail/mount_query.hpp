#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

/// listmount(2) and statmount(2), for namespaces other than our own (Linux 6.11).
namespace jailsvc::jailer {

/// One mount of a namespace. Ids are never used again, other than those of mountinfo.
struct MountFacts {
    std::uint64_t parent = 0;
    std::uint64_t device = 0;  ///< of its file system
    std::uint64_t magic = 0;   ///< the file system's type (statfs(2))
    std::string source;        ///< "jailsvc" for what we have made; since Linux 6.13
};

/// The number of the mount namespace that a descriptor of it refers to.
[[nodiscard]] Result<std::uint64_t> mount_namespace_number(int mount_namespace);

/// Ids of all mounts that lie at or below its first one; an error if there are more than `most`.
[[nodiscard]] Result<std::vector<std::uint64_t>> list_mounts(std::uint64_t mount_namespace,
                                                             std::size_t most);

[[nodiscard]] Result<MountFacts> read_mount(std::uint64_t mount_namespace, std::uint64_t mount);

/// The id of the mount that an open file lies in.
[[nodiscard]] Result<std::uint64_t> mount_of(int file);

}  // namespace jailsvc::jailer
