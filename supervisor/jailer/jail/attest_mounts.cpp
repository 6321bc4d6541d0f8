#include "jailer/jail/attest_mounts.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "jailer/jail/attest_credentials.hpp"
#include "jailer/jail/attest_view.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/mount_checks.hpp"

namespace jailsvc::jailer {
namespace {

using mounts::Attest;
using mounts::Declared;
using mounts::Verdict;

Verdict check_credentials(Attest& attest, std::uint32_t index, const Op& /*op*/,
                          const Place& place) {
    return attest_credentials(attest.plan, index, place, attest.ids);
}

/// Every kind that makes a mount: where it is to be found is its text of that number, or, where
/// there is none, the root.
constexpr struct Kind {
    static constexpr int kAtRoot = -1;
    jsv_kind kind;
    int place;
    bool may_be_writable;  ///< it is, but for JSV_MOUNT_READ_ONLY
    Verdict (*check)(Attest& attest, std::uint32_t index, const Op& op, const Place& place);
} kKinds[] = {
    {JSV_OP_ROOT, Kind::kAtRoot, true, mounts::check_root},
    {JSV_OP_BIND, 1, true, mounts::check_bind},
    {JSV_OP_TMPFS, 0, true, mounts::check_tmpfs},
    {JSV_OP_PROC, 0, true, mounts::check_proc},
    {JSV_OP_SYSFS, 0, true, mounts::check_sysfs},
    {JSV_OP_DEV, 0, false, mounts::check_dev},
    {JSV_OP_DEVICE, 0, false, mounts::check_device},
    {JSV_OP_MASK, 0, false, mounts::check_mask},
    {JSV_OP_READ_ONLY, 0, false, mounts::check_read_only},
    {JSV_OP_FILE, 0, false, mounts::check_file},
    {JSV_OP_CREDENTIALS, 0, false, check_credentials},
};

/// What makes no mount, and who vouches for it instead.
constexpr jsv_kind kElsewhere[] = {
    JSV_OP_HOSTNAME,   JSV_OP_SYSCTL,  // whoever is inside: both answer for the reader's own
    JSV_OP_CREDENTIAL,                 // attest_credentials
    JSV_OP_VIEW,       JSV_OP_REVEAL,  // attest_view
};

bool is_elsewhere(const Op& op) {
    return std::ranges::find(kElsewhere, op.kind) != std::end(kElsewhere);
}

const Kind* find_mount_kind(const Op& op) {
    const auto found = std::ranges::find(kKinds, op.kind, &Kind::kind);
    return found == std::end(kKinds) ? nullptr : found;
}

const std::string& place_of(const Kind& kind, const Op& op) {
    static const std::string root = "/";
    return kind.place == Kind::kAtRoot ? root : op.text.at(static_cast<std::size_t>(kind.place));
}

bool is_writable(const Kind& kind, const Op& op) {
    return kind.may_be_writable && (op.flags & JSV_MOUNT_READ_ONLY) == 0;
}

/// An operation that may find nothing to do: the source on the host, or the target, is not there.
bool may_be_absent(const Op& op, const Place& place) {
    if ((op.flags & JSV_MOUNT_OPTIONAL) == 0) return false;
    if (!place.fd) return true;
    const bool has_source = op.kind == JSV_OP_BIND || op.kind == JSV_OP_DEVICE;
    return has_source && ::access(op.text[0].c_str(), F_OK) == -1 &&
           (errno == ENOENT || errno == ENOTDIR);
}

/// The two writable mounts inside a /dev of ours.
Verdict attest_below_dev(Attest& attest, std::uint32_t index, const std::string& dev) {
    static constexpr std::pair<const char*, const char*> kBelow[] = {{"/shm", "tmpfs"},
                                                                     {"/pts", "devpts"}};
    for (const auto& [name, type] : kBelow) {
        const auto place = attest.view.find(index, dev + name);
        if (!place) return place.error();
        if (place->mount == nullptr) return not_held(index, dev + name + ": not there");
        if (auto verdict = mounts::check_own(index, dev + name, *place, type)) return verdict;
        attest.declared.push_back({place->mount->id, place->mount->point, true});
    }
    return std::nullopt;
}

Verdict attest_op(Attest& attest, std::uint32_t index) {
    const Op& op = attest.plan.ops[index];
    if (op.stage != JSV_STAGE_MOUNTS || is_elsewhere(op)) return std::nullopt;
    const Kind* kind = find_mount_kind(op);
    if (kind == nullptr) return not_held(index, "unknown kind");
    const std::string& path = place_of(*kind, op);
    auto place = attest.view.find(index, path);
    if (!place) return place.error();
    if (is_hidden_by_view(attest.plan, attest.view, *place)) return std::nullopt;
    if (may_be_absent(op, *place)) return std::nullopt;
    if (!place->fd) return not_held(index, path + ": not there");
    if (place->mount == nullptr) return not_held(index, path + ": " + mounts::where(*place));
    if (auto verdict = kind->check(attest, index, op, *place)) return verdict;
    attest.declared.push_back({place->mount->id, place->mount->point, is_writable(*kind, op)});
    return op.kind == JSV_OP_DEV ? attest_below_dev(attest, index, path) : std::nullopt;
}

/// Every tree that the plan's operations make, those inside a /dev of ours too.
std::vector<MadeTree> made_trees(const Plan& plan) {
    std::vector<MadeTree> trees;
    for (const Op& op : plan.ops) {
        if (const Kind* kind = find_mount_kind(op)) {
            trees.push_back({place_of(*kind, op), is_writable(*kind, op)});
        }
        if (op.kind != JSV_OP_DEV) continue;
        trees.push_back({op.text[0] + "/shm", true});
        trees.push_back({op.text[0] + "/pts", true});
    }
    return trees;
}

/// The operation that a mount came with: its own, or that of the nearest mount it lies in. By the
/// tree of mounts, not by path: what a later mount covers is still there below it.
const Declared* declared_for(const Attest& attest, const MountEntry& mount) {
    for (const MountEntry* at = &mount; at != nullptr; at = attest.view.table().find(at->parent)) {
        const auto found = std::ranges::find(attest.declared.rbegin(), attest.declared.rend(),
                                             at->id, &Declared::mount);
        if (found != attest.declared.rend()) return &*found;
        if (at->parent == at->id) break;
    }
    return nullptr;
}

/// What no single operation can vouch for: submounts, and what is left of the host's tree.
Verdict attest_whole(const Attest& attest) {
    int roots = 0;
    for (const MountEntry& mount : attest.view.table().entries()) {
        if (mount.propagates) {
            return not_held(kStepPrivate,
                            mount.point + ": mounts propagate out of or into the jail");
        }
        if (mount.point == "/") ++roots;
        const Declared* declared = declared_for(attest, mount);
        if (declared == nullptr || declared->writable || mount.read_only()) continue;
        return not_held(kStepIsolation,
                        fmt::format("{}: mounted {}, though nothing below {} was to be writable",
                                    mount.point, mount.options, declared->point));
    }
    if (roots == 1) return std::nullopt;
    return not_held(kStepPivot,
                    fmt::format("{} mounts at /, not 1: the old root is still there", roots));
}

}  // namespace

std::optional<JailFailure> attest_mounts(const Plan& plan, const JailView& view,
                                         const ResolvedIds& ids,
                                         std::vector<JailFailure>& weakened) {
    Attest attest{plan, view, ids};
    for (std::uint32_t index = 0; index < plan.ops.size(); ++index) {
        auto verdict = attest_op(attest, index);
        if (!verdict) continue;
        if (!plan.ops[index].optional) return verdict;
        weakened.push_back(std::move(*verdict));
    }
    if (has_view(plan)) {
        if (auto verdict = attest_view(plan, view, made_trees(plan), weakened)) return verdict;
    }
    return attest_whole(attest);
}

}  // namespace jailsvc::jailer
