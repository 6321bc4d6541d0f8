#pragma once

#include <sys/stat.h>

#include <string>

namespace jailsvc {

/// Why what is in a file or directory could be somebody else's word, and the cure; empty where it
/// belongs to root or to the user this process runs as, and nobody else can write it. Only such
/// files may decide what runs. `path` is what the cure names.
[[nodiscard]] std::string trust_objection(const struct stat& info, const std::string& path);

}  // namespace jailsvc
