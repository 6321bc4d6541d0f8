#pragma once

#include "context.hpp"

/// Units and templates as a person would like to read them.
namespace jailsvc::ctl {

/// Whether a unit does what it is there for.
[[nodiscard]] bool is_up(const Json& unit);

/// One line each.
void print_table(const Context& context, const Json& units);
void print_templates(const Json& templates);

/// Everything that is known of one unit.
void print_details(const Context& context, const Json& unit);

}  // namespace jailsvc::ctl
