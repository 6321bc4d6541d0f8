#pragma once

#include <CLI/CLI.hpp>

#include "context.hpp"

namespace jailsvc::ctl {

/// The commands that make jobs, and show and end them.
void add_jobs(CLI::App& app, const Context& context, int& exit_code);

}  // namespace jailsvc::ctl
