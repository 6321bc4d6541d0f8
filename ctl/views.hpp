#pragma once

#include <CLI/CLI.hpp>

#include "context.hpp"

namespace jailsvc::ctl {

/// Adds the commands that look at what runs, and hold it: analyze, ps, top, freeze, thaw. They
/// leave their exit code there.
void add_views(CLI::App& app, const Context& context, int& exit_code);

}  // namespace jailsvc::ctl
