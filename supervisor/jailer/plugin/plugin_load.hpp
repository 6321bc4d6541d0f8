#pragma once

#include <jailsvc_plugin.h>

#include <string>

#include "base/result.hpp"
#include "config/schema.hpp"

namespace jailsvc::jailer {

/// A plugin that passed every check. Its library stays loaded for the life of the process.
struct LoadedPlugin {
    std::string path;
    std::string name;
    jsv_plugin entry{};   ///< our own copy; fields that an older minor lacks are zero
    config::Table table;  ///< "jail.NAME", or one at the top
};

/// Loads `file` of the directory opened as `dir`. The library is first loaded and looked at by a
/// process of its own, so that a broken one ends that process and not this one.
[[nodiscard]] Result<LoadedPlugin> load_plugin(int dir, const std::string& dir_path,
                                               const std::string& file);

/// Checks what a plugin's entry function returned and copies it, shorter structs zero-extended.
/// `path` is filled in by the caller.
[[nodiscard]] Result<LoadedPlugin> read_entry(const jsv_plugin* entry);

}  // namespace jailsvc::jailer
