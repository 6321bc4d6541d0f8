#include "io.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <jailsvc_plugin.hpp>

namespace jailsvc::cgroups {
namespace {

using Text = std::expected<std::string, std::string>;

constexpr std::string_view kLimits[] = {"rbps", "wbps", "riops", "wiops"};
constexpr std::uint64_t kMaxDevice = (std::uint64_t{1} << 20) - 1;  // MINORBITS, linux/kdev_t.h

bool is_number_pair(std::string_view text) {
    const std::size_t colon = text.find(':');
    return colon != std::string_view::npos &&
           jsv::parse_decimal(text.substr(0, colon), kMaxDevice) &&
           jsv::parse_decimal(text.substr(colon + 1), kMaxDevice);
}

Text number_of(const std::string& device) {
    if (is_number_pair(device)) return device;
    struct stat info{};
    if (::stat(device.c_str(), &info) == -1) {
        return std::unexpected("\"" + device + "\": " + ::strerrordesc_np(errno) +
                               "; name a block device by its path, or as \"8:0\"");
    }
    if (!S_ISBLK(info.st_mode)) {
        return std::unexpected("\"" + device +
                               "\" is no block device; name one, such as "
                               "\"/dev/sda\" or \"8:0\"");
    }
    return std::to_string(major(info.st_rdev)) + ':' + std::to_string(minor(info.st_rdev));
}

Text limit(std::string_view word) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const std::string_view number = equals == std::string_view::npos ? "" : word.substr(equals + 1);
    const std::uint64_t value = jsv::parse_bytes(number).value_or(0);
    const bool known = std::ranges::find(kLimits, name) != std::end(kLimits);
    if (!known || value == 0) {
        return std::unexpected("\"" + std::string(word) +
                               "\" is no limit; write rbps, wbps, riops or wiops, \"=\" and a "
                               "number above 0, such as \"rbps=10M\"");
    }
    return std::string(name) + '=' + std::to_string(value);
}

}  // namespace

Text io_max(const std::string& device, std::string_view limits) {
    Text line = number_of(device);
    if (!line) return line;
    bool any = false;
    while (!limits.empty()) {
        const std::size_t end = std::min(limits.find(' '), limits.size());
        const std::string_view word = limits.substr(0, end);
        limits.remove_prefix(std::min(end + 1, limits.size()));
        if (word.empty()) continue;
        const Text one = limit(word);
        if (!one) return one;
        *line += ' ' + *one;
        any = true;
    }
    if (!any) return std::unexpected("\"" + device + "\" has no limit; such as \"rbps=10M\"");
    return line;
}

}  // namespace jailsvc::cgroups
