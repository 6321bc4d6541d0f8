#include "keeper/store.hpp"

#include <unistd.h>

#include <iterator>

#include "ipc/channel.hpp"

namespace jailsvc::keeper {
namespace {

using ipc::Role;

struct Rule {
    Role owner;              ///< who may have it kept
    RoleSet receivers;       ///< told when it is stored, and after a Hello
    RoleSet successors = 0;  ///< told after a Hello alone
};

/// By ipc::Kept. The engine faces clients and is not trusted with anything that a jail is made of:
/// of a kept unit it gets what no holder can change, the sealed text. The logger only reads.
constexpr Rule kRules[] = {
    {Role::kKeeper, bit(Role::kEngine)},                       // kState
    {Role::kKeeper, bit(Role::kEngine)},                       // kControl
    {Role::kJailer, bit(Role::kJailer) | bit(Role::kLogger)},  // kLogPipe
    {Role::kJailer, bit(Role::kJailer), bit(Role::kEngine)},   // kUnit
    {Role::kJailer, bit(Role::kJailer)},                       // kNamespace
    {Role::kJailer, bit(Role::kJailer)},                       // kListener
    {Role::kJailer, bit(Role::kEngine)},                       // kNotify
};
static_assert(std::size(kRules) == static_cast<std::size_t>(ipc::Kept::kNotify) + 1);

const Rule& rule_of(const ipc::Key& key) noexcept {
    return kRules[static_cast<std::size_t>(key.kind)];
}

/// FNV-1a over the unit, the rest added; never 0, which is a free slot's.
std::uint64_t hash_of(const ipc::Key& key) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : ipc::get_text(key.unit)) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return (hash + key.token * 64 + static_cast<std::uint64_t>(key.kind) * 4 + key.index * 2) | 1;
}

bool same(const ipc::Key& a, const ipc::Key& b) noexcept {
    return a.kind == b.kind && a.index == b.index && a.token == b.token &&
           ipc::get_text(a.unit) == ipc::get_text(b.unit);
}

}  // namespace

bool may_store(Role role, const ipc::Key& key) noexcept {
    return static_cast<std::size_t>(key.kind) < std::size(kRules) && rule_of(key).owner == role &&
           ipc::get_text(key.unit).size() < sizeof key.unit;
}

std::size_t Store::find(const ipc::Key& key) const noexcept {
    std::size_t slot = kept.find(hash_of(key));
    while (slot != kNone && !same(kept[slot].message, key))
        slot = kept.find(hash_of(key), slot + 1);
    return slot;
}

bool Store::put(const ipc::Key& key, int fd, Role from) noexcept {
    std::size_t slot = find(key);
    if (slot == kNone) {
        slot = kept.count() < limit ? kept.add(hash_of(key)) : kNone;
        if (slot == kNone) return false;
        kept[slot].message = ipc::make<ipc::Stored>();
        static_cast<ipc::Key&>(kept[slot].message) = key;
    } else {
        ::close(kept[slot].fd);
    }
    kept[slot].fd = fd;
    for (const Role role : {Role::kEngine, Role::kJailer, Role::kLogger}) {
        if (role != from && (rule_of(key).receivers & bit(role)) != 0) kept.mark(role, slot);
    }
    return true;
}

void Store::drop(const ipc::Key& key) noexcept {
    const std::size_t slot = find(key);
    if (slot == kNone) return;
    ::close(kept[slot].fd);
    kept.remove(slot);
}

void Store::mark_snapshot(Role role) noexcept {
    kept.for_each([&](std::size_t slot) {
        const Rule& rule = rule_of(kept[slot].message);
        if (((rule.receivers | rule.successors) & bit(role)) != 0) kept.mark(role, slot);
    });
}

}  // namespace jailsvc::keeper
