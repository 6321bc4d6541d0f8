#include "jailer/plan/account_view.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace jailsvc::jailer {
namespace {

constexpr std::uint32_t kFlags = JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV |
                                 JSV_MOUNT_NOEXEC | JSV_MOUNT_OPTIONAL;

const Op* find(const std::vector<Op>& ops, jsv_kind kind) {
    const auto found = std::ranges::find(ops, kind, &Op::kind);
    return found == ops.end() ? nullptr : &*found;
}

bool is_within(std::string_view path, std::string_view folder) {
    if (path == folder) return true;
    return path.starts_with(folder) && path[folder.size()] == '/';
}

/// What the unit hides or replaces stays so.
bool is_arranged(const std::vector<Op>& ops, std::string_view target) {
    return std::ranges::any_of(ops, [&](const Op& op) {
        if (op.kind == JSV_OP_BIND) return is_within(target, op.text[1]);
        const bool covers = op.kind == JSV_OP_MASK || op.kind == JSV_OP_TMPFS;
        return covers && is_within(target, op.text[0]);
    });
}

}  // namespace

std::string accounts_root(const Places& places) {
    return places.run + "/accounts";
}

AccountFiles account_files(const std::string& folder, const std::string& unit,
                           const std::string& jail_root) {
    const std::string stem = folder + (jail_root == "/" ? "/host" : "/units/" + unit);
    return {.passwd = stem + ".passwd", .group = stem + ".group"};
}

void show_account(std::vector<Op>& ops, const std::string& folder, const std::string& unit) {
    const Op* ids = find(ops, JSV_OP_IDS);
    const Op* root = find(ops, JSV_OP_ROOT);
    if (ids == nullptr || root == nullptr || (ids->flags & JSV_IDS_DYNAMIC) == 0) return;
    const AccountFiles files = account_files(folder, unit, root->text[0]);
    std::vector<Op> more;
    for (const auto& [source, target] :
         {std::pair{files.passwd, "/etc/passwd"}, std::pair{files.group, "/etc/group"}}) {
        if (is_arranged(ops, target)) continue;
        Op& op = more.emplace_back();
        op.kind = JSV_OP_BIND;
        op.stage = root->stage;
        op.flags = kFlags;
        op.text = {source, target};
        op.plugin = ids->plugin;
    }
    std::ranges::move(more, std::back_inserter(ops));
}

}  // namespace jailsvc::jailer
