#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "promises.hpp"

/// From promises to the program that the kernel runs at every system call.
namespace pledge {

/// What becomes of a call that no promise permits. kAsk: whoever has the filter's listener decides,
/// for execution too.
enum class Violation { kErrno, kKill, kAsk };

struct Filter {
    std::vector<sock_filter> program;
    std::string error{};  ///< not empty: why there is none, with the cure
};

/// What a filter permits besides, which no promise stands for.
enum class Besides {
    kNothing,
    kSecondStage,  ///< what is done at main: another filter, to be added to this one
};

/// How a program looks a call up.
enum class Order { kTree, kRules };

/// Asks nothing of the kernel but a pipe, so that a sandboxed process can make filters; whether the
/// kernel takes this one shows where it is installed.
[[nodiscard]] Filter compile(Promises promises, Violation violation,
                             Besides besides = Besides::kNothing, Order order = Order::kTree);

}  // namespace pledge
