#include "jailer/jail/mount_checks.hpp"

#include <fmt/format.h>

#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer::mounts {

bool same_file(const struct statx& a, const struct statx& b) {
    return a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major &&
           a.stx_dev_minor == b.stx_dev_minor;
}

bool is_mount_root(const Place& place) {
    return (place.status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

std::string where(const Place& place) {
    return place.mount == nullptr ? "no mount of the jail"
                                  : fmt::format("{} {} at {}", place.mount->type,
                                                place.mount->options, place.mount->point);
}

Verdict check_flags(std::uint32_t index, const Op& op, const Place& place, std::uint32_t wanted) {
    static constexpr std::pair<std::uint32_t, const char*> kNames[] = {
        {JSV_MOUNT_READ_ONLY, "ro"},
        {JSV_MOUNT_NOSUID, "nosuid"},
        {JSV_MOUNT_NODEV, "nodev"},
        {JSV_MOUNT_NOEXEC, "noexec"}};
    for (const auto& [flag, name] : kNames) {
        if ((wanted & flag) == 0 || MountEntry::has_option(place.mount->options, name)) continue;
        return not_held(index, fmt::format("{}: mounted {}, not {}",
                                           op.kind == JSV_OP_BIND ? op.text[1] : op.text[0],
                                           place.mount->options, name));
    }
    return std::nullopt;
}

Verdict check_own(std::uint32_t index, const std::string& path, const Place& place,
                  std::string_view type) {
    if (!is_mount_root(place) || place.mount->type != type) {
        return not_held(index, fmt::format("{}: is {}, not a {} of the jail's", path,
                                           is_mount_root(place) ? where(place) : "no mount", type));
    }
    if (type == "tmpfs" && place.mount->source != "jailsvc") {
        return not_held(
            index, fmt::format("{}: a tmpfs of \"{}\", not of jailsvc", path, place.mount->source));
    }
    return std::nullopt;
}

}  // namespace jailsvc::jailer::mounts
