#pragma once

#include <string_view>

/// The drop-ins that `jailsvc enable`, `mask` and `edit` write below the site's unit directory,
/// as NAME.toml.d/FILE. One matter each, so that none of them has to be understood to be changed.
namespace jailsvc {

/// [install] enabled and wanted_by. An instance of a template whose drop-ins have this file is
/// loaded with the units that have a file of their own: nothing else says that it is there.
inline constexpr std::string_view kEnabledFile = "enabled.toml";
/// [unit] masked.
inline constexpr std::string_view kMaskedFile = "masked.toml";
/// What a person wrote.
inline constexpr std::string_view kOverrideFile = "override.toml";

}  // namespace jailsvc
