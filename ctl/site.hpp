#pragma once

#include <CLI/CLI.hpp>

#include "context.hpp"

namespace jailsvc::ctl {

/// The commands that change what the site says of its units, and make it hold.
void add_site(CLI::App& app, const Context& context, int& exit_code);

}  // namespace jailsvc::ctl
