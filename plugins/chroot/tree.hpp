// The jail's tree as operations, in the order of covering.
#ifndef JAILSVC_PLUGINS_CHROOT_TREE_HPP
#define JAILSVC_PLUGINS_CHROOT_TREE_HPP

#include <jailsvc_plugin.hpp>

#include "mounts.hpp"

namespace jailsvc::chroot {

inline constexpr const char* kDefaultProc = "invisible";

/// Appends the whole tree; `mode` is not kNone.
void add_tree(jsv::Planner& plan, Mode mode);

}  // namespace jailsvc::chroot

#endif  // JAILSVC_PLUGINS_CHROOT_TREE_HPP
