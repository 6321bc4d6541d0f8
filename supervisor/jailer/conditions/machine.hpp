#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/unit.hpp"

namespace jailsvc::jailer {

/// What conditions look at. Nothing is waited for: no automount is set off, what a network file
/// system remembers is enough (statx(2)).
class Machine {
public:
    /// `root`: in front of every path, for tests; else empty.
    explicit Machine(std::string root = {}) : root_(std::move(root)) {}

    /// Whether `key` of [unit.condition] holds for a value without marks; false for unknown keys.
    [[nodiscard]] bool holds(std::string_view key, std::string_view value) const;

private:
    [[nodiscard]] bool holds_path(std::string_view key, const std::string& path) const;
    [[nodiscard]] bool is_vm() const;
    [[nodiscard]] bool is_container() const;
    [[nodiscard]] std::string text_of(const char* path) const;

    std::string root_;
};

/// What stands against the start, for people: `condition path_exists = "/x" does not hold`; nullopt
/// if nothing does. All hold but those marked "|", of which one is enough. `what`: "condition" or
/// "assertion".
[[nodiscard]] std::optional<std::string> unmet(const config::ConditionTable& table,
                                               std::string_view what, const Machine& machine);

}  // namespace jailsvc::jailer
