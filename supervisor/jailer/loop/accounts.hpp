#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

/// Whose ids are whose on this machine, by its files alone. Directory services (LDAP) are not
/// asked: the loop must not wait for a network.
namespace jailsvc::jailer {

/// Numbers `first` to `first + count - 1`.
struct IdSpan {
    std::uint64_t first;
    std::uint64_t count;

    [[nodiscard]] constexpr bool overlaps(const IdSpan& other) const {
        return first < other.first + other.count && other.first < first + count;
    }
};

/// Whether a line of this passwd(5) or group(5) file has one of these numbers; false if there is no
/// file.
[[nodiscard]] Result<bool> lists_id(const std::string& file, const IdSpan& ids);
/// The same for the ranges of a subuid(5) or subgid(5) file.
[[nodiscard]] Result<bool> lists_range(const std::string& file, const IdSpan& ids);

/// Whether any of them is an account's, a group's, given to a user for namespaces of theirs, or
/// kept by the supervisor for its own processes.
[[nodiscard]] Result<bool> ids_in_use(const IdSpan& ids, const std::string& directory = "/etc");

/// Of the supervisor's own processes: the engine, the logger and their like.
[[nodiscard]] bool is_our_own_id(std::uint32_t id);

}  // namespace jailsvc::jailer
