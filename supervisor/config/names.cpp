#include "config/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <climits>

#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_made_of(std::string_view name, std::string_view others) {
    return std::all_of(name.begin(), name.end(), [others](char c) {
        return is_alnum(c) || others.find(c) != std::string_view::npos;
    });
}

}  // namespace

bool is_unit_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxName) return false;
    if (name.front() == '.' || name.front() == '-' || name.front() == '@') return false;
    if (name.back() == '@' || std::count(name.begin(), name.end(), '@') > 1) return false;
    return is_made_of(name, ":_.-@");
}

bool is_template_name(std::string_view name) {
    if (!name.ends_with('@')) return false;
    name.remove_suffix(1);
    return is_unit_name(name) && name.find('@') == std::string_view::npos;
}

bool is_connection_name(std::string_view name) {
    return name.find("@:") != std::string_view::npos;
}

std::string unit_file_fault(std::string_view file_name) {
    constexpr std::string_view kSuffix = ".toml";
    if (!file_name.ends_with(kSuffix)) return "no unit: the file's name has to end in .toml";
    const std::string_view name = file_name.substr(0, file_name.size() - kSuffix.size());
    if (is_unit_name(name) || is_template_name(name)) return {};
    return fmt::format(
        "{} is no name of a unit, so this file is never loaded; use letters, digits "
        "and :_.- with at most one @, not at the front, {} bytes",
        shown(name), kMaxName);
}

bool is_profile_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && name.front() != '-' &&
           is_made_of(name, "_-");
}

bool is_absolute_path(std::string_view path) {
    if (path.empty() || path.front() != '/' || path.size() >= PATH_MAX) return false;
    return path.find("/../") == std::string_view::npos && !path.ends_with("/..");
}

std::string plain_capability(std::string_view name) {
    std::string plain;
    for (const char c : name) {
        plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (plain.starts_with("cap_")) plain.erase(0, 4);
    return plain == "all" ? std::string(name) : plain;
}

NameParts split_name(std::string_view name) {
    const auto at = name.find('@');
    if (at == std::string_view::npos) return {.prefix = std::string(name), .instance = {}};
    return {.prefix = std::string(name.substr(0, at)),
            .instance = std::string(name.substr(at + 1)),
            .is_instance = true};
}

std::vector<std::string> file_names_of(const std::string& unit) {
    const NameParts parts = split_name(unit);
    std::vector<std::string> names{unit + ".toml"};
    if (!parts.instance.empty()) names.push_back(parts.prefix + "@.toml");
    return names;
}

}  // namespace jailsvc::config
