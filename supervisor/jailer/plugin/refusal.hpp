#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/load.hpp"
#include "config/unit.hpp"

namespace jailsvc::jailer {

/// Why a plugin does not make its part of a unit's plan.
struct Refusal {
    std::string table;    ///< the plugin's, "jail.chroot"; empty: the plugin itself is at fault
    std::string key;      ///< of that table; empty: the table as a whole
    std::string message;  ///< the offence and its cure

    bool operator==(const Refusal&) const = default;
};

inline constexpr std::size_t kMaxRefusals = 32;  ///< of all plugins, for one unit

/// As bytes for the way from the worker, and back; what does not read as refusals is left out.
[[nodiscard]] std::string pack(const std::vector<Refusal>& refusals);
[[nodiscard]] std::vector<Refusal> unpack(std::string_view bytes);

/// The refusals where they were written; `file` stands in where a place is not known.
[[nodiscard]] config::Diagnostics placed(const std::vector<Refusal>& refusals,
                                         const config::JailPlaces& places, const std::string& file);

/// The file that `jailsvc verify` takes for the unit: neither its profile nor a drop-in.
[[nodiscard]] std::string own_file(const config::Unit& unit);

/// One line: the first, with its place, how many more there are, and how to see them.
[[nodiscard]] Error first_of(const config::Diagnostics& diagnostics, const std::string& file);

}  // namespace jailsvc::jailer
