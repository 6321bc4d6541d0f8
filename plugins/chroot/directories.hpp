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

/// JSV_MOUNT_IDMAP for a jail with a user namespace, else 0.
std::uint32_t id_mapping(jsv::Planner& plan);

}  // namespace jailsvc::chroot

#endif  // JAILSVC_PLUGINS_CHROOT_DIRECTORIES_HPP
