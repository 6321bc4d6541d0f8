#pragma once

#include "config/unit.hpp"
#include "control/message.hpp"

namespace jailsvc::engine {

/// The type Relations of io.jailsvc.Control: what a unit says of others. What others say of it in
/// [install] is among theirs.
[[nodiscard]] control::Json relations_of(const config::Unit& unit);

}  // namespace jailsvc::engine
