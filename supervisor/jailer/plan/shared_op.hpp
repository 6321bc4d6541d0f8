#pragma once

#include <cstddef>
#include <utility>

#include "jailer/plan/plan.hpp"

namespace jailsvc::jailer {

/// One operation of a loaded plan. Equal operations are stored once for all plans, since the plans
/// of units with one profile differ in few: a thousand units would otherwise hold, and every fork
/// of the jailer copy the page tables of, a thousand times the same. For one thread.
class SharedOp {
public:
    explicit SharedOp(Op op);
    SharedOp(const SharedOp& other) noexcept;
    SharedOp(SharedOp&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    SharedOp& operator=(SharedOp other) noexcept {
        std::swap(node_, other.node_);
        return *this;
    }
    ~SharedOp();

    /// Stays where it is as long as any SharedOp equal to this one lives.
    [[nodiscard]] const Op& operator*() const noexcept;
    [[nodiscard]] const Op* operator->() const noexcept { return &**this; }

    /// How many different ones there are.
    [[nodiscard]] static std::size_t stored() noexcept;

private:
    struct Node;
    struct Pool;
    const Node* node_;
};

}  // namespace jailsvc::jailer
