#pragma once

#include <string>
#include <string_view>

#include "context.hpp"

namespace jailsvc::ctl {

struct EditOptions {
    std::string unit;
    bool full = false;  ///< the whole unit file, not what goes over it
};

/// Has a person change what the site says of a unit; what has errors never gets into its place.
int run_edit(const Context& context, const EditOptions& options);

/// The text that is kept of a draft: without what stands below the line that says so, and without
/// blank lines at its ends.
[[nodiscard]] std::string kept_of(std::string_view draft);

/// A draft of a drop-in: what is there now, and the file that it goes over as comments.
[[nodiscard]] std::string draft_of(std::string_view present, std::string_view file,
                                   std::string_view under);

/// Whether there is nothing in it but comments.
[[nodiscard]] bool says_nothing(std::string_view text);

}  // namespace jailsvc::ctl
