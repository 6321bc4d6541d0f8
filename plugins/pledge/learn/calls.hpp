#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "promises.hpp"
#include "record.hpp"

/// System calls seen from the table of promises.
namespace pledge::learn {

/// Without the bits that no rule looks at. Process ids are left out: a call that was asked about
/// named another process than its own.
[[nodiscard]] Call to_call(const seccomp_data& data);

/// One way to permit a call.
struct Way {
    Promises needed = 0;
    Promises unless = 0;
};
/// Empty: no promise permits it.
[[nodiscard]] std::vector<Way> ways_of(const Call& call);

/// The cheapest set that permits every call of the record that can be permitted; stdio included.
[[nodiscard]] Promises smallest_set(const Record& record);

/// Whether the set permits the call, and by which way.
[[nodiscard]] std::optional<Way> permitted_by(const Call& call, Promises promises);

}  // namespace pledge::learn
