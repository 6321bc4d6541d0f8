#include "keeper/store.hpp"

#include <unistd.h>

#include "ipc/channel.hpp"

namespace jailsvc::keeper {
namespace {

/// Of KeptFd, Store or Unstore, which name their key alike. FNV-1a over the unit.
template <typename Key>
std::uint64_t hash_of(const Key& key) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : ipc::get_text(key.unit)) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return hash + key.token + static_cast<std::uint64_t>(key.kind) * 4099U + key.index;
}

}  // namespace

bool may_store(ipc::Role role, ipc::Kept kind) noexcept {
    // The engine faces clients and is not trusted with anything that a jail is made of; the logger
    // only reads. kState and kControl are the keeper's own.
    switch (kind) {
        case ipc::Kept::kLogPipe:
        case ipc::Kept::kUnit:
        case ipc::Kept::kNamespace:
        case ipc::Kept::kListener:
        case ipc::Kept::kNotify:
            return role == ipc::Role::kJailer;
        case ipc::Kept::kState:
        case ipc::Kept::kControl:
            return role == ipc::Role::kKeeper;
    }
    return false;
}

RoleSet receivers(ipc::Kept kind) noexcept {
    switch (kind) {
        case ipc::Kept::kState:
        case ipc::Kept::kControl:
        case ipc::Kept::kNotify:
            return bit(ipc::Role::kEngine);
        case ipc::Kept::kLogPipe:
            return bit(ipc::Role::kJailer) | bit(ipc::Role::kLogger);
        case ipc::Kept::kUnit:
        case ipc::Kept::kNamespace:
        case ipc::Kept::kListener:
            return bit(ipc::Role::kJailer);
    }
    return 0;
}

template <typename Key>
std::size_t Store::find(const Key& key) const noexcept {
    return keys_.find(hash_of(key), [&](std::size_t slot) {
        const KeptFd& kept = slots[slot];
        return kept.kind == key.kind && kept.index == key.index && kept.token == key.token &&
               ipc::get_text(kept.unit) == ipc::get_text(key.unit);
    });
}

std::size_t Store::put(const ipc::Store& key, int fd, ipc::Role from) noexcept {
    std::size_t slot = find(key);
    if (slot != kNone) {
        ::close(slots[slot].fd);
    } else {
        slot = slots.count() < limit_ ? slots.allocate() : kNone;
        if (slot == kNone) return kNone;
        KeptFd& kept = slots[slot];
        kept.kind = key.kind;
        kept.index = key.index;
        kept.token = key.token;
        ipc::set_text(kept.unit, ipc::get_text(key.unit));
        keys_.add(hash_of(kept), slot);
    }
    slots[slot].fd = fd;
    for (const auto role : {ipc::Role::kEngine, ipc::Role::kJailer, ipc::Role::kLogger}) {
        if (role != from && (receivers(key.kind) & bit(role)) != 0) slots.mark(role, slot);
    }
    return slot;
}

void Store::drop(const ipc::Unstore& key) noexcept {
    const std::size_t slot = find(key);
    if (slot == kNone) return;
    ::close(slots[slot].fd);
    keys_.remove(hash_of(key), slot);
    slots.release(slot);
}

void Store::mark_snapshot(ipc::Role role) noexcept {
    for (std::size_t slot = 0; slot < slots.end(); ++slot) {
        if (slots.used(slot) && (receivers(slots[slot].kind) & bit(role)) != 0) {
            slots.mark(role, slot);
        }
    }
}

}  // namespace jailsvc::keeper
