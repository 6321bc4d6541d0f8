// The state, cache, logs and runtime directories of a unit.
#ifndef JAILSVC_PLUGINS_CHROOT_DIRECTORIES_HPP
#define JAILSVC_PLUGINS_CHROOT_DIRECTORIES_HPP

#include <jailsvc_plugin.hpp>
#include <vector>

#include "mounts.hpp"

namespace jailsvc::chroot {

/// Makes the directories on the host, names them in the environment, and returns the binds that
/// show them to the service.
std::vector<Bind> add_directories(jsv::Planner& plan, Mode mode);

}  // namespace jailsvc::chroot

#endif  // JAILSVC_PLUGINS_CHROOT_DIRECTORIES_HPP
