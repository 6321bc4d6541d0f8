#include "devices.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>
#include <jailsvc_plugin.hpp>
#include <set>

#include "text_file.hpp"

namespace jailsvc::cgroups {
namespace {

using Devices = std::expected<std::vector<Device>, std::string>;

constexpr std::uint64_t kMaxMajor = 4095;  // MINORBITS, linux/kdev_t.h

bool is_access(std::string_view text) {
    const std::set<char> letters(text.begin(), text.end());
    return !text.empty() && letters.size() == text.size() &&
           text.find_first_not_of("rwm") == std::string_view::npos;
}

Devices by_path(const std::string& path, const std::string& access) {
    struct stat info{};
    if (::stat(path.c_str(), &info) == -1) {
        return std::unexpected("\"" + path + "\": " + ::strerrordesc_np(errno) +
                               "; name a device that is there, or its kind: \"char-NAME\" or "
                               "\"block-NAME\" of /proc/devices");
    }
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) {
        return std::unexpected("\"" + path + "\" is no device; name one, such as \"/dev/fuse\"");
    }
    return std::vector<Device>{{std::string(S_ISBLK(info.st_mode) ? "b " : "c ") +
                                    std::to_string(major(info.st_rdev)) + ':' +
                                    std::to_string(minor(info.st_rdev)),
                                access}};
}

/// "Character devices:" and "Block devices:", each followed by lines of number and name (proc(5)).
Devices by_kind(bool block, std::string_view name, const std::string& access,
                std::string_view devices) {
    std::vector<Device> found;
    bool in_part = false;
    for (const std::string_view line : split(devices, '\n')) {
        if (line.ends_with(':')) in_part = line.starts_with(block ? "Block" : "Character");
        const auto words = split(line, ' ');
        if (!in_part || words.size() != 2 || words[1] != name) continue;
        const auto number = jsv::parse_decimal(words[0], kMaxMajor);
        if (!number) continue;
        found.push_back(
            {std::string(block ? "b " : "c ") + std::to_string(*number) + ":*", access});
    }
    if (found.empty()) {
        return std::unexpected("\"" + std::string(name) + "\" is no kind of " +
                               (block ? "block" : "character") +
                               " devices of this kernel; /proc/devices lists them");
    }
    return found;
}

}  // namespace

Devices read_device(std::string_view text, std::string_view devices) {
    const std::size_t blank = std::min(text.rfind(' '), text.size());
    const std::string name(text.substr(0, blank));
    const std::string access(blank < text.size() ? text.substr(blank + 1) : "rwm");
    if (!is_access(access)) {
        return std::unexpected("\"" + std::string(text) +
                               "\": the access is made of r, w and m (mknod), such as \"rw\"");
    }
    constexpr std::string_view kChar = "char-";
    constexpr std::string_view kBlock = "block-";
    if (name.starts_with('/')) return by_path(name, access);
    if (name.starts_with(kChar)) {
        return by_kind(false, std::string_view(name).substr(kChar.size()), access, devices);
    }
    if (name.starts_with(kBlock)) {
        return by_kind(true, std::string_view(name).substr(kBlock.size()), access, devices);
    }
    return std::unexpected("\"" + std::string(text) +
                           "\" names no device; write \"/dev/fuse rw\", \"char-input r\", or "
                           "\"all\" alone for every device");
}

}  // namespace jailsvc::cgroups
