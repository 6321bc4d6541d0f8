#pragma once

#include <jailsvc_plugin.h>

#include <cstddef>

namespace jailsvc::identity {

/// Becomes somebody else, gives up every capability, sets no_new_privs (jsv_plugin).
int doctor(std::size_t i, jsv_probe* probe);

}  // namespace jailsvc::identity
