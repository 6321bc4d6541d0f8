// io_max: a block device and its limits.
#ifndef JAILSVC_PLUGINS_CGROUPS_IO_HPP
#define JAILSVC_PLUGINS_CGROUPS_IO_HPP

#include <expected>
#include <string>
#include <string_view>

namespace jailsvc::cgroups {

/// "/dev/sda" and "rbps=10M wiops=200" as "8:0 rbps=10485760 wiops=200"; the device may be written
/// as "8:0" too. The error says what is wrong and how to write it.
[[nodiscard]] std::expected<std::string, std::string> io_max(const std::string& device,
                                                             std::string_view limits);

}  // namespace jailsvc::cgroups

#endif  // JAILSVC_PLUGINS_CGROUPS_IO_HPP
