#pragma once

#include <jailsvc_plugin.h>

#include <cstddef>

namespace jailsvc::chroot {

/// Makes a mount tree such as jails have, in a mount namespace of its own (jsv_plugin).
int doctor(std::size_t i, jsv_probe* probe);

}  // namespace jailsvc::chroot
