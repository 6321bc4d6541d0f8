#pragma once

#include <string_view>

#include "base/digest.hpp"

namespace jailsvc::config {

/// The digest of a unit's canonical text, without what changes nothing about a unit that runs: the
/// table [install] and unit.masked. So a unit that is enabled or masked while it runs does not
/// differ from its file, and nobody restarts it for that.
[[nodiscard]] Digest digest_of_unit(std::string_view text);

}  // namespace jailsvc::config
