#pragma once

#include <jailsvc_plugin.h>

#include <cstddef>

namespace credentials {

/// Makes a file system such as credentials are in, attached nowhere (jsv_plugin).
int doctor(std::size_t i, jsv_probe* probe);

}  // namespace credentials
