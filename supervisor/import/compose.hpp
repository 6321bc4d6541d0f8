#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "import/draft.hpp"

namespace jailsvc::import {

/// What a compose file refers to beside itself.
struct ComposeContext {
    std::string file_name;  ///< for places in notes
    std::string directory;  ///< that relative paths are of; absolute
    /// Of ${NAME}; nullopt: not set.
    std::function<std::optional<std::string>(const std::string& name)> variable;
};

/// One unit for each service of the file. Every key is translated or told of.
[[nodiscard]] Result<void> import_compose(const std::string& text, const ComposeContext& context,
                                          Drafts& drafts);

}  // namespace jailsvc::import
