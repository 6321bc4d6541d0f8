#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jailer/jail/jail.hpp"
#include "jailer/plan/plan.hpp"

/// Ids as a jail counts them, and as the host does (user_namespaces(7)).
namespace jailsvc::jailer {

/// The host's id for one of a map's "inside outside count" lines; nullopt: not mapped.
[[nodiscard]] std::optional<std::uint32_t> map_to_host(std::string_view map, std::uint32_t inside);

/// Through the plan's id map operation; without one, ids are the host's own.
[[nodiscard]] std::optional<uid_t> host_uid(const Plan& plan, const ResolvedIds& ids, uid_t inside);
[[nodiscard]] std::optional<gid_t> host_gid(const Plan& plan, const ResolvedIds& ids, gid_t inside);

/// Whether the plan's user namespace has a range of ids of the unit's own.
[[nodiscard]] bool has_own_range(const CompiledPlan& plan);

/// The lines of a JSV_OP_ID_MAP as the kernel takes them: uid_map, then gid_map.
[[nodiscard]] std::array<std::string, 2> host_maps(const Op& map, const ResolvedIds& ids);

/// A map's numbers with single spaces and newlines, so that what was written can be compared with
/// what the kernel shows, in columns.
[[nodiscard]] std::string normal_map(std::string_view map);

}  // namespace jailsvc::jailer
