#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace jailsvc::config {

inline constexpr std::size_t kMaxName = 127;  ///< of units, profiles, variables [bytes]

/// Whether `name` may name a unit: [A-Za-z0-9:_.-] with at most one '@', neither first nor last, 1
/// to 127 bytes, not starting with '.' or '-'.
[[nodiscard]] bool is_unit_name(std::string_view name);

/// Whether `name` is a template's: a unit's name and an '@' at its end ("worker@").
[[nodiscard]] bool is_template_name(std::string_view name);

/// Whether `name` is one that an instance has that is made for a connection: what follows its '@'
/// begins with ':'. Nobody may ask for one.
[[nodiscard]] bool is_connection_name(std::string_view name);

/// Why a file of this name can never be a unit or template, with the cure; empty if it can.
[[nodiscard]] std::string unit_file_fault(std::string_view file_name);

/// [A-Za-z0-9_-], 1 to 127 bytes, not starting with '-'.
[[nodiscard]] bool is_profile_name(std::string_view name);

/// Begins with '/', no component "..", shorter than PATH_MAX.
[[nodiscard]] bool is_absolute_path(std::string_view path);

/// "CAP_NET_RAW" as "net_raw", the way to write it that [jail.identity] has besides; "all" stands
/// for itself alone.
[[nodiscard]] std::string plain_capability(std::string_view name);

/// "worker@3" in its parts; a plain name is all prefix.
struct NameParts {
    std::string prefix;
    std::string instance;
    bool is_instance = false;
};
[[nodiscard]] NameParts split_name(std::string_view name);

/// Names of the unit's own file and of its template's, most specific first.
[[nodiscard]] std::vector<std::string> file_names_of(const std::string& unit);

}  // namespace jailsvc::config
