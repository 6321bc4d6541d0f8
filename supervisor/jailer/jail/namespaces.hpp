#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {

struct NamespaceType {
    std::uint64_t flag;     ///< CLONE_NEW*
    std::string_view name;  ///< of the file in /proc/PID/ns
};
[[nodiscard]] std::span<const NamespaceType> namespace_types();

/// The namespaces of one process, to be asked for several of them: the way there is walked once.
class NamespaceIds {
public:
    [[nodiscard]] static Jailed<NamespaceIds> of(std::uint32_t op, pid_t pid);
    [[nodiscard]] Jailed<std::uint64_t> id(std::uint32_t op, std::string_view name) const;

private:
    NamespaceIds(Fd directory, std::string path)
        : directory_(std::move(directory)), path_(std::move(path)) {}

    Fd directory_;
    std::string path_;
};

/// Identifies a namespace (its inode in nsfs, namespaces(7)). `op` is named in the failure.
[[nodiscard]] Jailed<std::uint64_t> namespace_id(std::uint32_t op, pid_t pid,
                                                 std::string_view name);
/// The same of this process, read once: it leaves none of its namespaces for good, and but the
/// network's, which is read each time, for no moment in which anything is attested.
[[nodiscard]] Jailed<std::uint64_t> own_namespace_id(std::uint32_t op, const NamespaceType& type);

}  // namespace jailsvc::jailer
