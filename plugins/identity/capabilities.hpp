// What a service may do as its user: capabilities(7).
#ifndef JAILSVC_PLUGINS_IDENTITY_CAPABILITIES_HPP
#define JAILSVC_PLUGINS_IDENTITY_CAPABILITIES_HPP

#include <jailsvc_plugin.hpp>

namespace jailsvc::identity {

/// The capability sets of a program whose uid is 0, or is not.
void add_capabilities(jsv::Planner& plan, bool is_root);

}  // namespace jailsvc::identity

#endif  // JAILSVC_PLUGINS_IDENTITY_CAPABILITIES_HPP
