// Resource limits of a service: setrlimit(2).
#ifndef JAILSVC_PLUGINS_IDENTITY_LIMITS_HPP
#define JAILSVC_PLUGINS_IDENTITY_LIMITS_HPP

#include <jailsvc_plugin.hpp>

namespace jailsvc::identity {

void add_limits(jsv::Planner& plan);

}  // namespace jailsvc::identity

#endif  // JAILSVC_PLUGINS_IDENTITY_LIMITS_HPP
