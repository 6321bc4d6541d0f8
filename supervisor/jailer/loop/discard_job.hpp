#pragma once

#include <string>

#include "config/load.hpp"

namespace jailsvc::jailer {

/// Removes NAME.toml from the transient units, and what `set-property` put beside it, if that file
/// makes a job of the unit. What is wrong is logged: the file is met again at the next reload.
void discard_job(const config::Sources& sources, const config::Schema& schema,
                 const std::string& unit);

}  // namespace jailsvc::jailer
