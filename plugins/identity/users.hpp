// Who a service is: a user and groups, looked up by name or number.
#ifndef JAILSVC_PLUGINS_IDENTITY_USERS_HPP
#define JAILSVC_PLUGINS_IDENTITY_USERS_HPP

#include <sys/types.h>
#include <jailsvc_plugin.hpp>

namespace jailsvc::identity {

/// A uid and gid of the unit's own, allocated at its start.
void add_dynamic_user(jsv::Planner& plan);

/// The user that the unit names; returns the uid. Only "root" and "0" give 0.
uid_t add_fixed_user(jsv::Planner& plan);

}  // namespace jailsvc::identity

#endif  // JAILSVC_PLUGINS_IDENTITY_USERS_HPP
