#pragma once

#include "context.hpp"

namespace jailsvc::ctl {

/// What DaemonReload answered, for people: changes on stdout, warnings and errors on stderr.
void print_changes(const Json& changes);

/// One name a line after "WHAT: ".
void print_names(const char* what, const Json& names);

}  // namespace jailsvc::ctl
