#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/load.hpp"
#include "verify/known.hpp"

namespace jailsvc::verify {

/// Other names of all units that there are. Reads their files when it is first asked.
class AliasNames {
public:
    AliasNames(config::Sources sources, const config::Schema& schema)
        : sources_(std::move(sources)), schema_(schema) {}

    /// The first unit that has it; nullopt: none has.
    [[nodiscard]] std::optional<std::string> owner_of(const std::string& alias) const;

    /// What is wrong with the aliases of one unit, be it among those or beside them.
    [[nodiscard]] config::Diagnostics conflicts(const Known& known) const;

private:
    [[nodiscard]] const std::map<std::string, std::vector<std::string>>& owners() const;

    config::Sources sources_;
    const config::Schema& schema_;
    mutable std::optional<std::map<std::string, std::vector<std::string>>> owners_;
};

}  // namespace jailsvc::verify
