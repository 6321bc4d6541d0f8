#include "jailer/jail/attest_view.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer {
namespace {

using Verdict = std::optional<JailFailure>;

/// A mount that an operation has revealed.
struct Revealed {
    std::uint64_t mount;
    std::uint32_t op;
};

struct Attest {
    const Plan& plan;
    const JailView& view;
    const std::vector<MadeTree>& made;
    std::vector<Revealed> revealed{};
};

bool is_within(std::string_view path, std::string_view folder) {
    if (folder == "/" || path == folder) return true;
    return path.starts_with(folder) && path[folder.size()] == '/';
}

bool shows_all(const Plan& plan) {
    return std::ranges::any_of(
        plan.ops, [](const Op& op) { return op.kind == JSV_OP_REVEAL && op.text[0] == "/"; });
}

Verdict check_flags(std::uint32_t index, const Op& op, const MountEntry& mount) {
    static constexpr std::pair<std::uint32_t, const char*> kNames[] = {
        {JSV_MOUNT_READ_ONLY, "ro"}, {JSV_MOUNT_NOEXEC, "noexec"}};
    for (const auto& [flag, name] : kNames) {
        if ((op.flags & flag) == 0 || MountEntry::has_option(mount.options, name)) continue;
        return not_held(index, fmt::format("{}: mounted {} at {}, not {}", op.text[0],
                                           mount.options, mount.point, name));
    }
    return std::nullopt;
}

Verdict attest_reveal(Attest& attest, std::uint32_t index, const Op& op) {
    const auto place = attest.view.find(index, op.text[0]);
    if (!place) return place.error();
    if (!place->fd && (op.flags & JSV_MOUNT_OPTIONAL) != 0) return std::nullopt;
    const bool shown = place->mount != nullptr &&
                       !is_hidden_by_view(attest.plan, attest.view, *place) &&
                       (place->status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    if (!shown) return not_held(index, op.text[0] + ": is not shown in the view");
    attest.revealed.push_back({place->mount->id, index});
    return check_flags(index, op, *place->mount);
}

/// The operation that shows a mount: its own, or that of the nearest one it lies in.
const Revealed* find_revealed(const Attest& attest, const MountEntry& mount) {
    for (const MountEntry* at = &mount; at != nullptr; at = attest.view.table().find(at->parent)) {
        const auto found = std::ranges::find(attest.revealed.rbegin(), attest.revealed.rend(),
                                             at->id, &Revealed::mount);
        if (found != attest.revealed.rend()) return &*found;
        if (at->parent == at->id) break;
    }
    return nullptr;
}

/// The innermost tree that a place lies in.
const MadeTree* find_made(const Attest& attest, const std::string& point) {
    const MadeTree* found = nullptr;
    for (const MadeTree& tree : attest.made) {
        if (!is_within(point, tree.path)) continue;
        if (found == nullptr || tree.path.size() >= found->path.size()) found = &tree;
    }
    return found;
}

/// Whether another mount stands on the whole of this one: a path that two operations name.
bool is_covered(const Attest& attest, const MountEntry& mount) {
    return std::ranges::any_of(attest.view.table().entries(), [&](const MountEntry& other) {
        return other.parent == mount.id && other.id != mount.id && other.point == mount.point;
    });
}

Verdict attest_mount(const Attest& attest, const MountEntry& mount) {
    if (is_covered(attest, mount)) return std::nullopt;
    const Revealed* revealed = find_revealed(attest, mount);
    if (revealed == nullptr) {
        return not_held(kStepIsolation,
                        fmt::format("{}: a {} that nothing shows", mount.point, mount.type));
    }
    if (auto verdict = check_flags(revealed->op, attest.plan.ops[revealed->op], mount)) {
        return verdict;
    }
    const MadeTree* made = find_made(attest, mount.point);
    if (made == nullptr || made->writable || mount.read_only()) return std::nullopt;
    return not_held(kStepIsolation,
                    fmt::format("{}: mounted {}, though nothing below {} was to be writable",
                                mount.point, mount.options, made->path));
}

/// The view's own part, unless the whole tree is shown over it.
Verdict attest_root(const Attest& attest, std::uint32_t index, std::uint64_t& mount) {
    const auto root = attest.view.find(index, "/");
    if (!root) return root.error();
    if (root->mount == nullptr) return not_held(index, "the root is no mount of the jail");
    if (shows_all(attest.plan)) return std::nullopt;
    mount = root->mount->id;
    if (root->mount->type == "tmpfs" && root->mount->source == "jailsvc" &&
        root->mount->read_only()) {
        return std::nullopt;
    }
    return not_held(index, fmt::format("the root is a {} of \"{}\", {}", root->mount->type,
                                       root->mount->source, root->mount->options));
}

}  // namespace

bool has_view(const Plan& plan) {
    return std::ranges::any_of(plan.ops, [](const Op& op) { return op.kind == JSV_OP_VIEW; });
}

bool is_hidden_by_view(const Plan& plan, const JailView& view, const Place& place) {
    if (!has_view(plan) || shows_all(plan)) return false;
    return !place.fd || (place.mount != nullptr && place.mount->id == view.root_mount());
}

std::optional<JailFailure> attest_view(const Plan& plan, const JailView& view,
                                       const std::vector<MadeTree>& made,
                                       std::vector<JailFailure>& weakened) {
    Attest attest{plan, view, made};
    std::uint64_t own = 0;
    for (std::uint32_t index = 0; index < plan.ops.size(); ++index) {
        const Op& op = plan.ops[index];
        Verdict verdict;
        if (op.kind == JSV_OP_VIEW) verdict = attest_root(attest, index, own);
        if (op.kind == JSV_OP_REVEAL) verdict = attest_reveal(attest, index, op);
        if (!verdict) continue;
        if (!op.optional) return verdict;
        weakened.push_back(std::move(*verdict));
        if (op.kind == JSV_OP_VIEW) return std::nullopt;  // there is none, as the unit allows
    }
    for (const MountEntry& mount : view.table().entries()) {
        if (mount.id == own) continue;
        if (auto verdict = attest_mount(attest, mount)) return verdict;
    }
    return std::nullopt;
}

}  // namespace jailsvc::jailer
