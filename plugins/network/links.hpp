// A pair of interfaces by rtnetlink(7), for the probe that needs it.
#ifndef JAILSVC_PLUGINS_NETWORK_LINKS_HPP
#define JAILSVC_PLUGINS_NETWORK_LINKS_HPP

namespace jailsvc::network {

/// In this network namespace: 0, or the kernel's errno.
int make_veth_pair(const char* one, const char* other);

/// Sets an interface of this network namespace up; 0 or an errno.
int raise_interface(const char* name);

}  // namespace jailsvc::network

#endif  // JAILSVC_PLUGINS_NETWORK_LINKS_HPP
