#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/load.hpp"

namespace jailsvc::config {

/// Other names of units ([install] alias), and whose they are.
class Aliases {
public:
    /// Those of the unit that nobody has yet.
    void add(const Unit& unit);

    /// The unit that the name stands for; the name itself if it is no alias.
    [[nodiscard]] const std::string& target(const std::string& name) const;
    [[nodiscard]] const std::string* find(std::string_view alias) const;

    /// Puts units' own names into what the unit says of others.
    void resolve(Unit& unit) const;

private:
    std::map<std::string, std::string, std::less<>> owners_;
};

/// What has a name already, for people: "a unit, /etc/jailsvc/units/db.toml"; nullopt: nothing.
using TakenBy = std::function<std::optional<std::string>(const std::string& name)>;

/// What is wrong with the unit's aliases, at the place of the key.
[[nodiscard]] Diagnostics alias_conflicts(const Unit& unit, const JailPlaces& places,
                                          const TakenBy& taken);

}  // namespace jailsvc::config
