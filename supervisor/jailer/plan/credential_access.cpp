#include "jailer/plan/credential_access.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "jailer/child/landlock_rights.hpp"
#include "jailer/plan/credential_limits.hpp"

namespace jailsvc::jailer {
namespace {

const Op* find(const std::vector<Op>& ops, jsv_kind kind) {
    const auto found = std::ranges::find(ops, kind, &Op::kind);
    return found == ops.end() ? nullptr : &*found;
}

/// Belongs to the plugin whose wall it goes through, and holds whenever that does.
Op make(jsv_kind kind, const Op& wall, const std::string& path) {
    Op op;
    op.kind = kind;
    op.stage = wall.stage;
    op.text[0] = path;
    op.plugin = wall.plugin;
    op.optional = wall.optional;
    return op;
}

}  // namespace

void open_to_credentials(std::vector<Op>& ops) {
    const Op* credentials = find(ops, JSV_OP_CREDENTIALS);
    if (credentials == nullptr) return;
    std::vector<Op> more;
    if (const Op* view = find(ops, JSV_OP_VIEW)) {
        more.push_back(make(JSV_OP_REVEAL, *view, credentials->text[0]));
        more.back().flags = JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOEXEC;
    }
    const Op* landlock = find(ops, JSV_OP_LANDLOCK);
    if (landlock != nullptr && (landlock->number[0] & landlock::kReadFile) != 0) {
        more.push_back(make(JSV_OP_LANDLOCK_PATH, *landlock, credentials->text[0]));
        more.back().number[0] = landlock::kReadFile | (landlock->number[0] & landlock::kReadDir);
    }
    std::ranges::move(more, std::back_inserter(ops));
}

Result<void> check_credentials(std::span<const Op> ops) {
    std::set<std::string_view> names;
    bool directory = false;
    for (const Op& op : ops) {
        directory = directory || op.kind == JSV_OP_CREDENTIALS;
        if (op.kind != JSV_OP_CREDENTIAL) continue;
        if (!directory) {
            return fail(fmt::format("credential \"{}\": there is no directory for it", op.text[0]));
        }
        if (!names.insert(op.text[0]).second) {
            return fail(fmt::format("credential \"{}\": is there twice", op.text[0]));
        }
    }
    if (names.size() <= kMaxCredentials) return {};
    return fail(
        fmt::format("{} credentials; at most {} are possible", names.size(), kMaxCredentials));
}

}  // namespace jailsvc::jailer
