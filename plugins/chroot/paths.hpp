// How this plugin takes paths: absolute and plain, so that what is written is what is meant.
#ifndef JAILSVC_PLUGINS_CHROOT_PATHS_HPP
#define JAILSVC_PLUGINS_CHROOT_PATHS_HPP

#include <jailsvc_plugin.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace jailsvc::chroot {

using Strings = std::vector<std::string>;

/// Whether `path` is `folder` or lies in it.
bool is_within(std::string_view path, std::string_view folder);

/// `text` without a trailing slash, if it is absolute and plain; else the unit is refused, and
/// `name` is the key at fault.
std::string absolute_path(jsv::Planner& plan, const char* name, std::string text);

/// The list of key `name`, or `fallback` where the unit has none.
Strings list_or(jsv::Planner& plan, const char* name, Strings fallback = {});

}  // namespace jailsvc::chroot

#endif  // JAILSVC_PLUGINS_CHROOT_PATHS_HPP
