#pragma once

#include <unistd.h>

#include <utility>

#include "ipc/channel.hpp"
#include "keeper/table.hpp"

namespace jailsvc::keeper {

struct KeptFd {
    int fd;
    ipc::Stored message;  ///< as it is sent; last the name, which is mostly short
};

/// How descriptors of one kind are kept.
struct Rule {
    ipc::Role owner;       ///< who may have it kept
    RoleSet told_at_once;  ///< when it is stored; not the owner, who has it
    RoleSet told;          ///< after a Hello
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
    [[nodiscard]] bool put(const ipc::Key& key, int fd) noexcept {
        drop(key);
        if (kept.count() >= limit) return false;
        KeptFd item{.fd = fd, .message = ipc::make<ipc::Stored>()};
        static_cast<ipc::Key&>(item.message) = key;
        const std::size_t slot = kept.add(hash_of(key), rule_of(key).told, item);
        if (slot == kNone) return false;
        for (const ipc::Role role : kThree)
            if ((rule_of(key).told_at_once & bit(role)) != 0) kept.mark(role, slot);
        return true;
    }
    void drop(const ipc::Key& key) noexcept {
        std::size_t slot = kept.find(hash_of(key));
        while (slot != kNone && !same(kept[slot].message, key))
            slot = kept.find(hash_of(key), slot + 1);
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
    using enum ipc::Role;
    static constexpr Rule kRules[] = {
        {kKeeper, bit(kEngine), bit(kEngine)},                 // kState
        {kKeeper, bit(kEngine), bit(kEngine)},                 // kControl
        {kJailer, bit(kLogger), bit(kJailer) | bit(kLogger)},  // kLogPipe
        {kJailer, 0, bit(kJailer) | bit(kEngine)},             // kUnit
        {kJailer, 0, bit(kJailer)},                            // kListener
        {kJailer, bit(kEngine), bit(kEngine)},                 // kNotify
        {kJailer, bit(kLogger), bit(kJailer) | bit(kLogger)},  // kLogSettings
        {kJailer, bit(kEngine), bit(kJailer) | bit(kEngine)},  // kMainProcess
        {kEngine, bit(kJailer), bit(kJailer) | bit(kEngine)},  // kFdStore
        {kEngine, bit(kJailer), bit(kJailer) | bit(kEngine)},  // kFdNames
    };
    static_assert(std::size(kRules) == static_cast<std::size_t>(ipc::Kept::kFdNames) + 1);

    static const Rule& rule_of(const ipc::Key& key) noexcept {
        return kRules[static_cast<std::size_t>(key.kind)];
    }

    /// FNV-1a over the unit, the rest added; never 0, which is a free slot's.
    static std::uint64_t hash_of(const ipc::Key& key) noexcept {
        std::uint64_t hash = 0xcbf29ce484222325;
        for (const char c : ipc::get_text(key.unit))
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        return (hash + key.token * 64 + std::to_underlying(key.kind) * 4U + key.index * 2U) | 1;
    }

    static bool same(const ipc::Key& a, const ipc::Key& b) noexcept {
        return a.kind == b.kind && a.index == b.index && a.token == b.token &&
               ipc::get_text(a.unit) == ipc::get_text(b.unit);
    }
};

}  // namespace jailsvc::keeper
