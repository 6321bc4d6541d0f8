#include "jailer/jail/id_map.hpp"

#include <fmt/format.h>

#include <sstream>

namespace jailsvc::jailer {
namespace {

const Op* find_id_map(const Plan& plan) {
    for (const Op& op : plan.ops) {
        if (op.kind == JSV_OP_ID_MAP) return &op;
    }
    return nullptr;
}

bool is_own(const Op& map) {
    return (map.flags & JSV_ID_MAP_OWN) != 0;
}

std::optional<std::uint32_t> to_host(const Plan& plan, const ResolvedIds& ids, std::size_t which,
                                     std::uint32_t inside) {
    const Op* map = find_id_map(plan);
    if (map == nullptr) return inside;
    const auto outside = map_to_host(map->text[which], inside);
    return outside && is_own(*map) ? ids.range + *outside : outside;
}

}  // namespace

std::optional<std::uint32_t> map_to_host(std::string_view map, std::uint32_t inside) {
    std::istringstream lines{std::string(map)};
    std::uint64_t first = 0, outside = 0, count = 0;
    while (lines >> first >> outside >> count) {
        if (inside < first || inside - first >= count) continue;
        return static_cast<std::uint32_t>(outside + (inside - first));
    }
    return std::nullopt;
}

std::optional<uid_t> host_uid(const Plan& plan, const ResolvedIds& ids, uid_t inside) {
    return to_host(plan, ids, 0, inside);
}

std::optional<gid_t> host_gid(const Plan& plan, const ResolvedIds& ids, gid_t inside) {
    return to_host(plan, ids, 1, inside);
}

bool has_own_range(const CompiledPlan& plan) {
    const Op* map = plan.find(JSV_OP_ID_MAP);
    return map != nullptr && is_own(*map);
}

std::array<std::string, 2> host_maps(const Op& map, const ResolvedIds& ids) {
    if (!is_own(map)) return map.text;
    std::array<std::string, 2> maps;
    for (std::size_t i = 0; i < maps.size(); ++i) {
        std::istringstream lines(map.text[i]);
        std::uint64_t first = 0, outside = 0, count = 0;
        while (lines >> first >> outside >> count) {
            maps[i] += fmt::format("{} {} {}\n", first, ids.range + outside, count);
        }
    }
    return maps;
}

std::string normal_map(std::string_view map) {
    std::istringstream lines{std::string(map)};
    std::string normal, first, outside, count;
    while (lines >> first >> outside >> count) {
        normal += first + ' ' + outside + ' ' + count + '\n';
    }
    return normal;
}

}  // namespace jailsvc::jailer
