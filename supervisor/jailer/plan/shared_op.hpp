#pragma once

#include <cstddef>
#include <vector>

#include "base/interned.hpp"
#include "jailer/plan/plan.hpp"

/// The operations of loaded plans. The plans of units with one profile differ in few: a thousand
/// units would otherwise hold, and every fork of the jailer copy the page tables of, a thousand
/// times the same.
namespace jailsvc::jailer {

struct OpHash {
    std::size_t operator()(const Op& op) const noexcept;
};
using SharedOp = Interned<Op, OpHash>;

struct OpRunHash {
    std::size_t operator()(const std::vector<SharedOp>& ops) const noexcept;
};
/// What one plugin adds in one stage, as a rule: either equal in two plans, or it has to differ.
using OpRun = Interned<std::vector<SharedOp>, OpRunHash>;

/// The operations in their order, as runs.
[[nodiscard]] std::vector<OpRun> to_runs(std::vector<Op> ops);

}  // namespace jailsvc::jailer
