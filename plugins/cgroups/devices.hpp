// devices: which device nodes processes may use.
#ifndef JAILSVC_PLUGINS_CGROUPS_DEVICES_HPP
#define JAILSVC_PLUGINS_CGROUPS_DEVICES_HPP

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace jailsvc::cgroups {

/// A device as JSV_OP_DEVICES names it: "c 10:229" and "rw".
struct Device {
    std::string number;
    std::string access;
};

/// "/dev/fuse rw", "char-input r", "block-sd": the access may be left out and is all then. Names of
/// kinds are those of `devices`, the content of /proc/devices; one may have several numbers. The
/// error says what is wrong and how to write it.
[[nodiscard]] std::expected<std::vector<Device>, std::string> read_device(std::string_view text,
                                                                          std::string_view devices);

}  // namespace jailsvc::cgroups

#endif  // JAILSVC_PLUGINS_CGROUPS_DEVICES_HPP
