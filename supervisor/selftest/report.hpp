#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "selftest/stage.hpp"

namespace jailsvc::selftest {

struct Counts {
    std::size_t tried = 0, held = 0, skipped = 0;
};

[[nodiscard]] Counts count(const std::vector<Try>& tries);

/// One line of a case in all its profiles: "held      E16  sysrq: reboots the machine", and one for
/// each profile in which it was not held or not tried.
[[nodiscard]] std::string to_text(const std::vector<Try>& of_one_case);

/// "190 tried, 190 held, 20 skipped (12: WHY; 8: WHY)".
[[nodiscard]] std::string last_line(const std::vector<Try>& tries);

/// {"results": [{case, number, about, profile, outcome, why}], "tried", "held", "skipped"}
[[nodiscard]] std::string to_json(const std::vector<Try>& tries);

}  // namespace jailsvc::selftest
