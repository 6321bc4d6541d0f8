#pragma once

#include <vector>

#include "verify/known.hpp"
#include "verify/relations.hpp"

namespace jailsvc::verify {

/// Addresses that two of the units claim, so that only one of them can be up; templates that are
/// missing for the connections a unit accepts.
[[nodiscard]] config::Diagnostics check_sockets(const std::vector<Known>& given,
                                                const Lookup& lookup);

}  // namespace jailsvc::verify
