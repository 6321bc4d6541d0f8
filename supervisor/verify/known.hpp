#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "config/load.hpp"

namespace jailsvc::verify {

/// A unit, and where its keys were written.
struct Known {
    config::Unit unit;
    config::JailPlaces places;
    std::string file;  ///< stands in where a place is not known
    std::optional<config::Diagnostic> fault =
        {};  ///< the first of its files' errors: it does not load
};

/// "KEY: message" where the key of that table was written.
[[nodiscard]] config::Diagnostic at_key(const Known& known, std::string_view table,
                                        std::string_view key, const std::string& message);

/// The keys of [service] that hold lists of commands.
struct CommandsKey {
    std::string_view name;
    List<config::Command> config::ServiceTable::* commands;
};
inline constexpr std::array kCommandsKeys = {
    CommandsKey{"exec_start_pre", &config::ServiceTable::exec_start_pre},
    CommandsKey{"exec_start_post", &config::ServiceTable::exec_start_post},
    CommandsKey{"exec_reload", &config::ServiceTable::exec_reload},
    CommandsKey{"exec_stop", &config::ServiceTable::exec_stop},
    CommandsKey{"exec_stop_post", &config::ServiceTable::exec_stop_post},
};

}  // namespace jailsvc::verify
