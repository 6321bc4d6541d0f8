#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "jailer/plan.hpp"

namespace jailsvc::jailer {

/// One operation as the child walks it: no destructor, no ownership; pointers lead into the arena
/// of the ChildPlan, which the child has by copy-on-write.
struct ChildOp {
    std::uint16_t kind;
    std::uint16_t stage;
    std::uint32_t flags;
    std::uint64_t number[3];
    const char* text[2];       ///< never null
    const void* blob;
    std::uint32_t blob_size;
    std::uint32_t index;       ///< into Plan::ops, for reports
    std::uint8_t optional;
};

/// What a child tells the jailer over its gate: at which operation it failed, or that it is ready.
struct GateReport {
    enum class Kind : std::uint32_t { kReady, kFailed, kWeakened };
    Kind kind;
    std::uint32_t op;     ///< index into Plan::ops, or kExecStep, kEnterStep, …
    std::int32_t code;    ///< errno
    std::int32_t reserved;
};

/// Steps of the core that no operation of the plan stands for.
inline constexpr std::uint32_t kStepDescriptors = 0xfffffff0;  ///< closing and placing them
inline constexpr std::uint32_t kStepEnter = 0xfffffff1;        ///< setns into the jail
inline constexpr std::uint32_t kStepPivot = 0xfffffff2;        ///< pivot_root, old root unmounted
inline constexpr std::uint32_t kStepExec = 0xfffffff3;

}  // namespace jailsvc::jailer
