#ifndef JAILSVC_PLUGINS_CGROUPS_DOCTOR_HPP
#define JAILSVC_PLUGINS_CGROUPS_DOCTOR_HPP

#include <jailsvc_plugin.h>

#include <cstddef>

namespace jailsvc::cgroups {

/// Finds the control groups of this machine, and makes one with a limit, a list of devices and a
/// trigger of pressure, which is removed again (jsv_plugin).
int doctor(std::size_t i, jsv_probe* probe);

}  // namespace jailsvc::cgroups

#endif  // JAILSVC_PLUGINS_CGROUPS_DOCTOR_HPP
