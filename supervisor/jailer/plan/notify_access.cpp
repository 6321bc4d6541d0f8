#include "jailer/plan/notify_access.hpp"

#include <algorithm>

#include "jailer/plan/plan_check.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::uint32_t kFlags =
    JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV | JSV_MOUNT_NOEXEC;

Op core_op(jsv_kind kind, std::vector<std::string> text) {
    Op op;
    op.kind = kind;
    op.stage = find_kind(kind)->stage;
    op.plugin = "core";
    for (std::size_t i = 0; i < text.size(); ++i) op.text[i] = std::move(text[i]);
    return op;
}

bool has(const std::vector<Op>& ops, jsv_kind kind) {
    return std::ranges::find(ops, kind, &Op::kind) != ops.end();
}

}  // namespace

std::string notify_directory(const Places& places, const std::string& unit, bool own_tree) {
    return (own_tree ? places.notify_root() : places.open_notify_root()) + "/" + unit;
}

void open_to_notify(std::vector<Op>& ops, const config::Unit& unit, const Places& places) {
    const auto access = config::notify_access_of(unit.service.type, *unit.readiness);
    if (unit.is_target || access == config::NotifyAccess::kNone) return;
    const bool own_tree = has(ops, JSV_OP_ROOT);
    const std::string outside = notify_directory(places, unit.name, own_tree);
    const std::string inside = own_tree ? kNotifyDirectory : outside;
    if (own_tree) {
        ops.push_back(core_op(JSV_OP_BIND, {outside, inside}));
        ops.back().flags = kFlags | JSV_MOUNT_CREATE;
    }
    if (has(ops, JSV_OP_VIEW)) {
        ops.push_back(core_op(JSV_OP_REVEAL, {inside}));
        ops.back().flags = JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOEXEC;
    }
    ops.push_back(core_op(JSV_OP_ENVIRONMENT, {kNotifyVariable, inside + "/" + kNotifyName}));
}

}  // namespace jailsvc::jailer
