#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "import/draft.hpp"

namespace jailsvc::import {

/// Service, socket and timer units of systemd, drop-ins (FILE.d/*.conf) beside them included. What
/// belongs together ("x.socket", "x.service") becomes one unit.
[[nodiscard]] Result<void> import_systemd(const std::vector<std::string>& files, Drafts& drafts);

/// The same of texts that are there already: file names with their contents.
[[nodiscard]] Result<void> import_systemd_text(const std::string& file_name,
                                               const std::string& text, Drafts& drafts);

}  // namespace jailsvc::import
