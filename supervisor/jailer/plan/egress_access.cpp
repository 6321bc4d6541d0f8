#include "jailer/plan/egress_access.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/companions.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::uint32_t kFlags =
    JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV | JSV_MOUNT_NOEXEC;

Op core_op(jsv_kind kind, std::string first, std::string second = {}) {
    Op op;
    op.kind = kind;
    op.stage = find_kind(kind)->stage;
    op.plugin = "core";
    op.text = {std::move(first), std::move(second)};
    return op;
}

bool has(const std::vector<Op>& ops, jsv_kind kind) {
    return std::ranges::find(ops, kind, &Op::kind) != ops.end();
}

bool sets(const std::vector<Op>& ops, std::string_view variable) {
    return std::ranges::any_of(
        ops, [&](const Op& op) { return op.kind == JSV_OP_ENVIRONMENT && op.text[0] == variable; });
}

std::string lowered(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

/// What the unit reaches without the proxy: itself, and units that it has edges to.
std::string direct(const std::vector<Op>& ops) {
    std::string names = "localhost,127.0.0.1,::1";
    for (const Op& op : ops) {
        if (op.kind == JSV_OP_NET_EDGE) names += "," + op.text[0];
    }
    return names;
}

}  // namespace

std::string egress_directory(const Places& places, const std::string& unit) {
    return places.egress_root() + "/" + config::companion_instance(unit);
}

void open_to_egress(std::vector<Op>& ops, const std::string& unit, const Places& places) {
    const auto egress = std::ranges::find(ops, JSV_OP_EGRESS, &Op::kind);
    if (egress == ops.end()) return;
    const std::string at = fmt::format("127.0.0.1:{}", egress->number[0]);
    if (has(ops, JSV_OP_ROOT)) {
        ops.push_back(core_op(JSV_OP_BIND, egress_directory(places, unit), kEgressDirectory));
        ops.back().flags = kFlags | JSV_MOUNT_CREATE;
    }
    if (has(ops, JSV_OP_VIEW)) {
        ops.push_back(core_op(JSV_OP_REVEAL, kEgressDirectory));
        ops.back().flags = JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOEXEC;
    }
    const std::pair<const char*, std::string> variables[] = {{"HTTP_PROXY", "http://" + at},
                                                             {"HTTPS_PROXY", "http://" + at},
                                                             {"ALL_PROXY", "socks5h://" + at},
                                                             {"NO_PROXY", direct(ops)}};
    for (const auto& [name, value] : variables) {
        // Programs read the one or the other: a unit that sets one of them has said what it wants.
        if (sets(ops, name) || sets(ops, lowered(name))) continue;
        ops.push_back(core_op(JSV_OP_ENVIRONMENT, name, value));
        ops.push_back(core_op(JSV_OP_ENVIRONMENT, lowered(name), value));
    }
}

}  // namespace jailsvc::jailer
