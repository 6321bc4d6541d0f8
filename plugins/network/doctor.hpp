#pragma once

#include <jailsvc_plugin.h>

#include <cstddef>

namespace jailsvc::network {

/// In a network namespace that ends with the probe: a loopback, a pair of interfaces into another
/// namespace, and a table with all that the rules between jails use (jsv_plugin).
int doctor(std::size_t i, jsv_probe* probe);

}  // namespace jailsvc::network
