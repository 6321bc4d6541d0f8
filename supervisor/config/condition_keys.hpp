#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "config/core_keys.hpp"

namespace jailsvc::config {

/// Those of [unit.condition] and [unit.assert].
[[nodiscard]] std::vector<CoreKey> condition_keys();

/// One value of such a key: "PATH", "!PATH", "|PATH", "|!PATH" (systemd.unit(5)).
struct ConditionValue {
    std::string_view text;
    bool negated = false;  ///< "!"
    bool any = false;      ///< "|": one of all that are marked so is enough
};
[[nodiscard]] ConditionValue parse_condition(std::string_view written);

/// Each key by its name and its values.
using ConditionMember = List<std::string> ConditionTable::*;
[[nodiscard]] const std::vector<std::pair<std::string_view, ConditionMember>>& condition_members();

}  // namespace jailsvc::config
