#pragma once

#include <string>
#include <vector>

namespace jailsvc::verify {

/// `jailsvcd installed [OPTIONS] [NAME]...`: what the files say of whether units are started with
/// others. For `jailsvc enable` and its like, which write such files but cannot read them; so for
/// a client of the same version alone. Prints a JSON object:
///   {"site": DIR, "transient": DIR, "problems": [TEXT], "preset_problems": [TEXT], "units": [
///     {"name", "kind": "unit", "instance", "template" or "none", "file", "nearest", "loads",
///      "errors": [TEXT], "listed", "preset": "enable", "disable" or "", "now": FACTS,
///      "plain": FACTS}]}
/// A name that is an alias is told as the unit whose it is.
/// FACTS are {"wanted_by", "enabled", "masked", "enabled_by", "masked_by"}, the latter two files;
/// "plain" are those without what `jailsvc enable` and `mask` wrote for the site. "listed" says
/// that the supervisor loads it without being asked to; "problems" are those of directories.
[[nodiscard]] int installed(const std::vector<std::string>& arguments);

}  // namespace jailsvc::verify
