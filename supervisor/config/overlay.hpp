#pragma once

#include <map>
#include <string>
#include <string_view>

#include "config/document.hpp"
#include "config/load.hpp"

/// Keys of one table that are put over a unit from outside of its files: `jailsvc set-property`.
namespace jailsvc::config {

/// The table whose keys may be.
inline constexpr std::string_view kOverlayTable = "jail.cgroups";
/// File name of the drop-in, among those of the transient units, that holds what was put over a
/// unit. The last of all drop-ins by its name, so that none goes over it.
inline constexpr std::string_view kOverlayFile = "zz-set-property.toml";
inline constexpr std::size_t kMaxOverlay = 65536;  ///< [bytes]

/// KEY=VALUE pairs as they are typed at a command line, as TOML: the schema says what is a number
/// and what a string; a list or map is written in TOML ("[...]", "{...}").
[[nodiscard]] Checked<std::string> to_overlay(const Schema& schema,
                                              const std::map<std::string, std::string>& pairs);

/// Reads TOML that must hold keys of kOverlayTable, checked, and nothing else.
[[nodiscard]] Checked<Document> parse_overlay(const Schema& schema, std::string_view text);

/// The drop-in that holds what `before`, an earlier one or empty, held, and the overlay over it.
[[nodiscard]] Checked<std::string> add_to_drop_in(const Schema& schema, std::string_view before,
                                                  const Document& overlay);

/// The canonical text of the unit with the overlay over it; `text` is a Unit's.
[[nodiscard]] Checked<std::string> put_over(const Schema& schema, std::string_view text,
                                            const Document& overlay);

}  // namespace jailsvc::config
