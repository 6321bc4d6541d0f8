#pragma once

#include "keeper/table.hpp"

namespace jailsvc::keeper {

struct KeptFd {
    ipc::Stored message;  ///< as it is sent
    int fd;
};

/// Whether that role may have a descriptor with that key kept or dropped.
[[nodiscard]] bool may_store(ipc::Role role, const ipc::Key& key) noexcept;

/// Descriptors that outlive the engine, the jailer and the logger. Marked slots are to be sent.
class Store {
public:
    /// Takes the descriptor; what had the same key is closed. False: full, `fd` stays the caller's.
    /// Marks it for its receivers, but not for `from`, who has it.
    [[nodiscard]] bool put(const ipc::Key& key, int fd, ipc::Role from) noexcept;
    void drop(const ipc::Key& key) noexcept;
    void mark_snapshot(ipc::Role role) noexcept;

    std::size_t limit = 0;  ///< how many may be kept [descriptors]
    Table<KeptFd, ipc::kMaxUnits * 5 / 2> kept;

private:
    [[nodiscard]] std::size_t find(const ipc::Key& key) const noexcept;
};

}  // namespace jailsvc::keeper
