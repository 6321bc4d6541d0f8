#pragma once

#include <string>
#include <string_view>

#include "config/document.hpp"
#include "config/schema.hpp"
#include "config/unit.hpp"

/// Companions: instances of a template that each belong to one unit, such as the proxy egress@web
/// of web. A unit has one because it has keys of a plugin's table that asks for it.
namespace jailsvc::config {

/// The instance's name: the unit's, with "__" for "_", "_-" for "@", which a name has but once, and
/// "_." for ":", which would divide the two paths of a bind.
[[nodiscard]] std::string companion_instance(std::string_view unit);

/// The unit whose companion it is: the other way round.
[[nodiscard]] std::string unit_of_companion(std::string_view instance);

/// "egress@web".
[[nodiscard]] std::string companion_of(std::string_view unit, std::string_view companion);

/// The unit wants its companions, and comes after them. It starts without one that fails: what
/// needs it then refuses, and a companion that fails later does not take the unit along.
void add_companions(Unit& unit, const Document& document, const Schema& schema);

}  // namespace jailsvc::config
