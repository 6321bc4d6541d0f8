#pragma once

#include "config/load.hpp"
#include "jailer/plan/plan.hpp"
#include "verify/relations.hpp"

namespace jailsvc::verify {

/// What the unit takes from the host and is not there now: sources of binds, devices, the files and
/// programs of credentials. They may come later, so this is no error of the unit's.
[[nodiscard]] config::Diagnostics find_missing_sources(const Known& known,
                                                       const jailer::Plan& plan);

/// Units that the jail's network names, each at the key that does.
[[nodiscard]] std::vector<NamedUnit> find_network_units(const Known& known,
                                                        const jailer::Plan& plan);

/// Why somebody else could change what is there; empty: nobody can, or it is not there.
[[nodiscard]] std::string objection_to(const std::string& path);

/// Environment files that somebody else could change; the supervisor refuses the unit for them.
[[nodiscard]] config::Diagnostics find_untrusted_environment(const Known& known);

}  // namespace jailsvc::verify
