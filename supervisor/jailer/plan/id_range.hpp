#pragma once

#include <cstdint>

namespace jailsvc::jailer {

/// How many ids a user namespace with JSV_ID_MAP_OWN has.
inline constexpr std::uint32_t kRangeSize = 65536;

}  // namespace jailsvc::jailer
