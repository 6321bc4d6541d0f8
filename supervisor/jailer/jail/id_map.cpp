#include "jailer/jail/id_map.hpp"

#include <sstream>

namespace jailsvc::jailer {
namespace {

const Op* find_id_map(const Plan& plan) {
    for (const Op& op : plan.ops) {
        if (op.kind == JSV_OP_ID_MAP) return &op;
    }
    return nullptr;
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

std::optional<uid_t> host_uid(const Plan& plan, uid_t inside) {
    const Op* map = find_id_map(plan);
    return map == nullptr ? inside : map_to_host(map->text[0], inside);
}

std::optional<gid_t> host_gid(const Plan& plan, gid_t inside) {
    const Op* map = find_id_map(plan);
    return map == nullptr ? inside : map_to_host(map->text[1], inside);
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
