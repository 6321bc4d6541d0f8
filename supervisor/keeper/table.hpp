#pragma once

#include <cstddef>
#include <cstdint>

#include "ipc/messages.hpp"

/// Fixed-size tables in .bss, without a heap: numbered slots, what of them has still to be sent to
/// whom, and hash chains over them. Low slots are used first, so a big empty table costs no memory.
namespace jailsvc::keeper {

inline constexpr std::size_t kNone = ~std::size_t{0};

using RoleSet = std::uint8_t;
[[nodiscard]] constexpr RoleSet bit(ipc::Role role) noexcept {
    return static_cast<RoleSet>(1U << static_cast<unsigned>(role));
}

template <typename T, std::size_t kSlots>
class Slots {
    static_assert(kSlots < 0xffff);

public:
    /// A zeroed slot's number, or kNone if all are taken.
    [[nodiscard]] std::size_t allocate() noexcept {
        if (free_ == 0 && high_ == kSlots) return kNone;
        const std::size_t slot = free_ != 0 ? free_ - 1U : high_++;
        if (free_ != 0) free_ = next_free_[slot];
        items_[slot] = T{};
        used_[slot] = true;
        ++count_;
        return slot;
    }
    void release(std::size_t slot) noexcept {
        for (std::size_t role = 0; role < kRoles; ++role)
            unmark(static_cast<ipc::Role>(role), slot);
        used_[slot] = false;
        next_free_[slot] = free_;
        free_ = static_cast<std::uint16_t>(slot + 1);
        --count_;
    }
    [[nodiscard]] T& operator[](std::size_t slot) noexcept { return items_[slot]; }
    [[nodiscard]] const T& operator[](std::size_t slot) const noexcept { return items_[slot]; }
    [[nodiscard]] bool used(std::size_t slot) const noexcept { return used_[slot]; }
    [[nodiscard]] std::size_t end() const noexcept { return high_; }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

    /// The slot's content has to be sent to that role.
    void mark(ipc::Role role, std::size_t slot) noexcept {
        if ((marks_[slot] & bit(role)) != 0) return;
        marks_[slot] = static_cast<RoleSet>(marks_[slot] | bit(role));
        Marks& marks = waiting_[static_cast<std::size_t>(role)];
        ++marks.count;
        if (slot < marks.lowest) marks.lowest = slot;
    }
    void unmark(ipc::Role role, std::size_t slot) noexcept {
        if ((marks_[slot] & bit(role)) == 0) return;
        marks_[slot] = static_cast<RoleSet>(marks_[slot] & ~bit(role));
        --waiting_[static_cast<std::size_t>(role)].count;
    }
    [[nodiscard]] std::size_t first_marked(ipc::Role role) noexcept {
        Marks& marks = waiting_[static_cast<std::size_t>(role)];
        if (marks.count == 0) marks.lowest = high_;
        while (marks.lowest < high_ && (marks_[marks.lowest] & bit(role)) == 0) ++marks.lowest;
        return marks.count == 0 ? kNone : marks.lowest;
    }

private:
    static constexpr std::size_t kRoles = 4;
    struct Marks {
        std::size_t count = 0;
        std::size_t lowest = 0;  ///< no marked slot is below
    };
    T items_[kSlots]{};
    bool used_[kSlots]{};
    RoleSet marks_[kSlots]{};
    std::uint16_t next_free_[kSlots]{};  ///< slot + 1; 0 ends the list
    std::uint16_t free_ = 0;
    std::size_t high_ = 0;
    std::size_t count_ = 0;
    Marks waiting_[kRoles]{};
};

/// Hash chains over slot numbers. The low bits choose the bucket: pids and tokens count up, so that
/// neighbours share pages.
template <std::size_t kSlots>
class Chains {
public:
    void add(std::uint64_t hash, std::size_t slot) noexcept {
        next_[slot] = heads_[hash % kBuckets];
        heads_[hash % kBuckets] = static_cast<std::uint16_t>(slot + 1);
    }
    /// The slot must have been added under that hash.
    void remove(std::uint64_t hash, std::size_t slot) noexcept {
        std::uint16_t* link = &heads_[hash % kBuckets];
        while (*link != slot + 1) link = &next_[*link - 1U];
        *link = next_[slot];
    }
    template <typename Match>
    [[nodiscard]] std::size_t find(std::uint64_t hash, Match matches) const noexcept {
        for (std::size_t at = heads_[hash % kBuckets]; at != 0; at = next_[at - 1]) {
            if (matches(at - 1)) return at - 1;
        }
        return kNone;
    }

private:
    static constexpr std::size_t kBuckets = 16384;
    std::uint16_t heads_[kBuckets]{};  ///< slot + 1; 0: empty
    std::uint16_t next_[kSlots]{};
};

}  // namespace jailsvc::keeper
