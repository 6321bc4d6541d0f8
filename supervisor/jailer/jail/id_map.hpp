#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jailer/plan/plan.hpp"

/// Ids as a jail counts them, and as the host does (user_namespaces(7)).
namespace jailsvc::jailer {

/// The host's id for one of a map's "inside outside count" lines; nullopt: not mapped.
[[nodiscard]] std::optional<std::uint32_t> map_to_host(std::string_view map, std::uint32_t inside);

/// Through the plan's id map operation; without one, ids are the host's own.
[[nodiscard]] std::optional<uid_t> host_uid(const Plan& plan, uid_t inside);
[[nodiscard]] std::optional<gid_t> host_gid(const Plan& plan, gid_t inside);

/// A map's numbers with single spaces and newlines, so that what was written can be compared with
/// what the kernel shows, in columns.
[[nodiscard]] std::string normal_map(std::string_view map);

}  // namespace jailsvc::jailer
