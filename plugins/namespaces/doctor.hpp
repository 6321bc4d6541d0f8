#pragma once

#include <jailsvc_plugin.h>

#include <cstddef>

namespace jailsvc::namespaces {

/// Makes a namespace of each type, and a user namespace as an ordinary user would (jsv_plugin).
int doctor(std::size_t i, jsv_probe* probe);

}  // namespace jailsvc::namespaces
