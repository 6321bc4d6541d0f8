#pragma once

#include <CLI/CLI.hpp>

#include "context.hpp"

namespace jailsvc::ctl {

/// `jailsvc import`: unit files of others as ours.
void add_import(CLI::App& app, const Context& context, int& exit_code);

}  // namespace jailsvc::ctl
