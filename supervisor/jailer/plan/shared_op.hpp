#pragma once

#include <cstddef>
#include <vector>

#include "base/interned.hpp"
#include "base/list.hpp"
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
    std::size_t operator()(const List<SharedOp>& ops) const noexcept;
};
/// Some of what one plugin adds in one stage: either equal in two plans, or it has to differ.
/// Short, because an operation that names its unit makes a run of its own out of those beside it.
using OpRun = Interned<List<SharedOp>, OpRunHash>;

/// The operations in their order, as runs.
[[nodiscard]] List<OpRun> to_runs(std::vector<Op> ops);

}  // namespace jailsvc::jailer
