#pragma once

#include <unistd.h>

#include <iterator>

#include "ipc/channel.hpp"
#include "keeper/table.hpp"

namespace jailsvc::keeper {

struct KeptFd {
    ipc::Stored message;  ///< as it is sent
    int fd;
};

/// How descriptors of one kind are kept.
struct Rule {
    ipc::Role owner;         ///< who may have it kept
    RoleSet receivers;       ///< told when it is stored, and after a Hello
    RoleSet successors = 0;  ///< told after a Hello alone
};

/// Descriptors that outlive the engine, the jailer and the logger. Marked slots are to be sent.
class Store {
public:
    /// Whether that role may have a descriptor with that key kept or dropped.
    [[nodiscard]] static bool may(ipc::Role role, const ipc::Key& key) noexcept {
        return static_cast<std::size_t>(key.kind) < std::size(kRules) &&
               rule_of(key).owner == role && ipc::get_text(key.unit).size() < sizeof key.unit;
    }
    /// Takes the descriptor; what had the same key is closed. False: full, `fd` stays the caller's.
    /// Marks it for its receivers, but not for `from`, who has it.
    [[nodiscard]] bool put(const ipc::Key& key, int fd, ipc::Role from) noexcept {
        drop(key);
        if (kept.count() >= limit) return false;
        const Rule& rule = rule_of(key);
        const auto told = static_cast<RoleSet>(rule.receivers | rule.successors);
        const std::size_t slot = kept.add(hash_of(key), told);
        if (slot == kNone) return false;
        kept[slot].message = ipc::make<ipc::Stored>();
        static_cast<ipc::Key&>(kept[slot].message) = key;
        kept[slot].fd = fd;
        for (const ipc::Role role : kThree) {
            if (role != from && (rule.receivers & bit(role)) != 0) kept.mark(role, slot);
        }
        return true;
    }
    void drop(const ipc::Key& key) noexcept {
        std::size_t slot = kept.find(hash_of(key));
        while (slot != kNone && !same(kept[slot].message, key)) {
            slot = kept.find(hash_of(key), slot + 1);
        }
        if (slot == kNone) return;
        ::close(kept[slot].fd);
        kept.remove(slot);
    }

    std::size_t limit = 0;  ///< how many may be kept [descriptors]
    Table<KeptFd, ipc::kMaxUnits * 5 / 2> kept;

private:
    /// By ipc::Kept. The engine faces clients and is not trusted with anything that a jail is made
    /// of: of a kept unit it gets what no holder can change, the sealed text. The logger only
    /// reads.
    static constexpr Rule kRules[] = {
        {ipc::Role::kKeeper, bit(ipc::Role::kEngine)},                            // kState
        {ipc::Role::kKeeper, bit(ipc::Role::kEngine)},                            // kControl
        {ipc::Role::kJailer, bit(ipc::Role::kJailer) | bit(ipc::Role::kLogger)},  // kLogPipe
        {ipc::Role::kJailer, bit(ipc::Role::kJailer), bit(ipc::Role::kEngine)},   // kUnit
        {ipc::Role::kJailer, bit(ipc::Role::kJailer)},                            // kNamespace
        {ipc::Role::kJailer, bit(ipc::Role::kJailer)},                            // kListener
        {ipc::Role::kJailer, bit(ipc::Role::kEngine)},                            // kNotify
    };
    static_assert(std::size(kRules) == static_cast<std::size_t>(ipc::Kept::kNotify) + 1);

    static const Rule& rule_of(const ipc::Key& key) noexcept {
        return kRules[static_cast<std::size_t>(key.kind)];
    }

    /// FNV-1a over the unit, the rest added; never 0, which is a free slot's.
    static std::uint64_t hash_of(const ipc::Key& key) noexcept {
        std::uint64_t hash = 0xcbf29ce484222325;
        for (const char c : ipc::get_text(key.unit)) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        }
        return (hash + key.token * 64 + static_cast<std::uint64_t>(key.kind) * 4 + key.index * 2) |
               1;
    }

    static bool same(const ipc::Key& a, const ipc::Key& b) noexcept {
        return a.kind == b.kind && a.index == b.index && a.token == b.token &&
               ipc::get_text(a.unit) == ipc::get_text(b.unit);
    }
};

}  // namespace jailsvc::keeper
