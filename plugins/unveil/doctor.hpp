#pragma once

#include <jailsvc_plugin.h>

#include <cstddef>

namespace unveil {

/// The i-th probe, see jsv_plugin::doctor.
int doctor(std::size_t i, jsv_probe* probe);

}  // namespace unveil
