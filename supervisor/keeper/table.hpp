#pragma once

#include <algorithm>
#include <array>
#include <bit>

#include "ipc/messages.hpp"

namespace jailsvc::keeper {

inline constexpr std::size_t kNone = ~std::size_t{0};

inline constexpr ipc::Role kThree[] = {ipc::Role::kLogger, ipc::Role::kJailer, ipc::Role::kEngine};

using RoleSet = std::uint8_t;
[[nodiscard]] constexpr RoleSet bit(ipc::Role role) noexcept {
    return static_cast<RoleSet>(1U << static_cast<unsigned>(role));
}

/// Numbered slots in .bss, who has to know of each, and which of them have still to be sent to
/// whom. Everything is searched from slot 0 to the highest in use, over a few bytes each: 7 µs in a
/// table of 20,000. A big empty table costs no memory, and all zero is empty. Nor does what comes
/// after an item's first 64 bytes, while it is zero: the rest of a short name, the end of a process
/// that lives.
template <typename T, std::size_t kSlots>
class Table {
public:
    /// The first slot of that key at or after `from`, or kNone.
    [[nodiscard]] std::size_t find(std::uint64_t key, std::size_t from = 0) const noexcept {
        const std::uint64_t* at = std::find(keys_ + std::min(from, end_), keys_ + end_, key);
        return at == keys_ + end_ ? kNone : static_cast<std::size_t>(at - keys_);
    }
    /// The slot that it got; the key is not 0. kNone: the table is full.
    [[nodiscard]] std::size_t add(std::uint64_t key, RoleSet receivers, const T& item) noexcept {
        const std::size_t slot = count_ < end_ ? find(0) : end_;
        if (slot >= kSlots) return kNone;
        end_ = std::max(end_, slot + 1);
        keys_[slot] = key;
        receivers_[slot] = receivers;
        set(slot, item);
        ++count_;
        return slot;
    }
    void remove(std::size_t slot) noexcept {
        keys_[slot] = receivers_[slot] = due_[slot] = 0;
        --count_;
        while (end_ > 0 && keys_[end_ - 1] == 0) --end_;
    }
    [[nodiscard]] T operator[](std::size_t slot) const noexcept {
        return std::bit_cast<T>(Parts{heads_[slot], tails_[slot]});
    }
    void set(std::size_t slot, const T& item) noexcept {
        const auto parts = std::bit_cast<Parts>(item);
        heads_[slot] = parts.head;
        // A page that was only read is the kernel's one page of zeros.
        if (tails_[slot] != parts.tail) tails_[slot] = parts.tail;
    }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

    /// The slot's content has to be sent to that role, if it is one of its receivers.
    void mark(ipc::Role role, std::size_t slot) noexcept {
        std::size_t& first = first_due_[static_cast<std::size_t>(role)];
        due_[slot] = static_cast<RoleSet>(due_[slot] | (receivers_[slot] & bit(role)));
        first = std::min(first, slot);
    }
    /// Everything that a new process of that role must be told.
    void mark_snapshot(ipc::Role role) noexcept {
        for (std::size_t slot = 0; slot < end_; ++slot) mark(role, slot);
    }
    /// Sends what is marked, until `send` returns false.
    template <typename Send>
    [[nodiscard]] bool send_due(ipc::Role role, Send send) noexcept {
        std::size_t& slot = first_due_[static_cast<std::size_t>(role)];
        for (; slot < end_; ++slot) {
            if ((due_[slot] & bit(role)) != 0 && !send((*this)[slot])) return false;
            due_[slot] = static_cast<RoleSet>(due_[slot] & ~bit(role));
        }
        return true;
    }

private:
    struct Parts {
        std::array<std::byte, 64> head;
        std::array<std::byte, sizeof(T) - sizeof head> tail;
    };

    std::uint64_t keys_[kSlots]{};  ///< 0: free
    RoleSet receivers_[kSlots]{};
    RoleSet due_[kSlots]{};
    decltype(Parts::head) heads_[kSlots]{};
    decltype(Parts::tail) tails_[kSlots]{};
    std::size_t end_ = 0;  ///< no slot from here on is in use
    std::size_t count_ = 0;
    std::size_t first_due_[4]{};  ///< by role: no marked slot is below
};

}  // namespace jailsvc::keeper
