#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

/// [child] Network namespaces made ahead, by a process that shares memory and descriptors with the
/// jailer: to fork a whole copy of the jailer would cost as much as the namespace.
namespace jailsvc::jailer {

inline constexpr std::size_t kMostNamespaces = 8;  ///< of one such process

struct NamespaceJob {
    std::uint32_t wanted;                         ///< at most kMostNamespaces
    bool loopback;                                ///< is to be up
    std::array<int, kMostNamespaces> namespaces;  ///< descriptors; the first `made` are there
    std::atomic<std::uint32_t> made;              ///< rises while the process runs
    int code;                                     ///< errno of what ended it early; 0: nothing
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

/// Makes them. For clone(2); `job` is a NamespaceJob.
int make_namespaces(void* job) noexcept;

}  // namespace jailsvc::jailer
