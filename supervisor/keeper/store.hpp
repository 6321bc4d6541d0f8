#pragma once

#include "keeper/table.hpp"

namespace jailsvc::keeper {

struct KeptFd {
    ipc::Kept kind;
    std::uint16_t index;
    ipc::Token token;
    int fd;
    char unit[ipc::kNameSize];
};

/// Which of the three may have a descriptor of that kind kept or dropped.
[[nodiscard]] bool may_store(ipc::Role role, ipc::Kept kind) noexcept;
/// Who is handed a descriptor of that kind.
[[nodiscard]] RoleSet receivers(ipc::Kept kind) noexcept;

/// Descriptors that outlive the engine, the jailer and the logger. The key is (kind, index, token,
/// unit). Slots marked for a role are to be sent to it as Stored.
class Store {
public:
    static constexpr std::size_t kCapacity = ipc::kMaxUnits * 5 / 2;

    /// How many may be kept; none before it is set (the object has to be all zero for .bss).
    void set_limit(std::size_t limit) noexcept { limit_ = limit; }
    /// Takes the descriptor; what had the same key is closed. kNone: full, `fd` stays the caller's.
    /// Marks it for its receivers, but not for `from`, who has it.
    [[nodiscard]] std::size_t put(const ipc::Store& key, int fd, ipc::Role from) noexcept;
    void drop(const ipc::Unstore& key) noexcept;
    void mark_snapshot(ipc::Role role) noexcept;

    Slots<KeptFd, kCapacity> slots;

private:
    template <typename Key>
    [[nodiscard]] std::size_t find(const Key& key) const noexcept;
    Chains<kCapacity> keys_;
    std::size_t limit_ = 0;
};

}  // namespace jailsvc::keeper
