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

/// The value of "rbps=10M" as the kernel has it; "max" is no limit.
Text limit(std::string_view word, std::size_t& which) {
    const std::size_t equals = word.find('=');
    const auto* const name = std::ranges::find(kLimits, word.substr(0, equals));
    const std::string_view number = equals == std::string_view::npos ? "" : word.substr(equals + 1);
    const std::uint64_t value = jsv::parse_bytes(number).value_or(0);
    if (name == std::end(kLimits) || (value == 0 && number != "max")) {
        return std::unexpected("\"" + std::string(word) +
                               "\" is no limit; write rbps, wbps, riops or wiops, \"=\" and a "
                               "number above 0, such as \"rbps=10M\", or \"max\" for none");
    }
    which = static_cast<std::size_t>(name - kLimits);
    return number == "max" ? std::string(number) : std::to_string(value);
}

}  // namespace

Text io_max(const std::string& device, std::string_view limits) {
    Text line = number_of(device);
    if (!line) return line;
    // All four each time: one that a running unit is to have no more is lifted so.
    std::string values[std::size(kLimits)];
    std::ranges::fill(values, "max");
    bool any = false;
    while (!limits.empty()) {
        const std::size_t end = std::min(limits.find(' '), limits.size());
        const std::string_view word = limits.substr(0, end);
        limits.remove_prefix(std::min(end + 1, limits.size()));
        if (word.empty()) continue;
        any = true;
        if (word == "max") continue;
        std::size_t which = 0;
        Text one = limit(word, which);
        if (!one) return one;
        values[which] = std::move(*one);
    }
    if (!any) {
        return std::unexpected("\"" + device +
                               "\" has no limit; such as \"rbps=10M\", or \"max\" for none");
    }
    for (std::size_t i = 0; i < std::size(kLimits); ++i) {
        *line += ' ' + std::string(kLimits[i]) + '=' + values[i];
    }
    return line;
}

}  // namespace jailsvc::cgroups
