#pragma once

#include <string>

#include "jailer/credentials/host_key.hpp"

namespace jailsvc::jailer {

/// What the encrypted file says; refused unless it was encrypted under this name, by this host's
/// key, and is closed to writing by others.
[[nodiscard]] Result<Secret> decrypt_file(const std::string& key_path, const std::string& path,
                                          const std::string& name);

}  // namespace jailsvc::jailer
