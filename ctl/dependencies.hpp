#pragma once

#include <compare>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "context.hpp"

namespace jailsvc::ctl {

/// `from` says of `to` what `key` means: web requires db.
struct Edge {
    std::string from, key, to;
    auto operator<=>(const Edge&) const = default;
};

/// What all units say of each other.
class Relations {
public:
    [[nodiscard]] static Result<Relations> ask_for(const Context& context);

    /// Of those keys that start or stop one with the other: what the unit needs or wants, or, in
    /// reverse, who needs or wants it. Sorted.
    [[nodiscard]] std::vector<Edge> pulls(std::string_view unit, bool reverse) const;
    [[nodiscard]] const std::vector<Edge>& edges() const { return edges_; }
    [[nodiscard]] bool knows(const std::string& unit) const { return targets_.contains(unit); }
    [[nodiscard]] bool is_target(const std::string& unit) const;
    [[nodiscard]] std::vector<std::string> names() const;  ///< sorted

private:
    std::vector<Edge> edges_;
    std::map<std::string, bool> targets_;  ///< of each unit, whether it is one
};

/// A unit's Status each, by name.
using Units = std::map<std::string, Json>;
[[nodiscard]] Result<Units> ask_for_units(const Context& context);

/// A string field of a unit, harmless for a terminal; empty where there is none.
[[nodiscard]] std::string field_of(const Units& units, const std::string& unit, const char* field);

}  // namespace jailsvc::ctl
