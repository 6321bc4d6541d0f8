// Small files of /proc and of control groups.
#ifndef JAILSVC_PLUGINS_CGROUPS_TEXT_FILE_HPP
#define JAILSVC_PLUGINS_CGROUPS_TEXT_FILE_HPP

#include <string>
#include <string_view>
#include <vector>

namespace jailsvc::cgroups {

/// The whole of it; empty where it cannot be read.
[[nodiscard]] std::string read_text(const std::string& path);

/// 0, or an errno.
[[nodiscard]] int write_text(const std::string& path, std::string_view text);

/// The parts between separators, empty ones left out.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace jailsvc::cgroups

#endif  // JAILSVC_PLUGINS_CGROUPS_TEXT_FILE_HPP
