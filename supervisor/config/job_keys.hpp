#pragma once

#include <vector>

#include "config/core_keys.hpp"
#include "config/document.hpp"

namespace jailsvc::config {

/// Those of [job].
[[nodiscard]] std::vector<CoreKey> job_keys();

/// What its keys mean only together with others.
void check_job(const Document& document, Reporter& reporter);

}  // namespace jailsvc::config
