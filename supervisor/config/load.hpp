#pragma once

#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/places.hpp"
#include "base/result.hpp"
#include "config/diagnostic.hpp"
#include "config/names.hpp"
#include "config/schema.hpp"
#include "config/unit.hpp"

namespace jailsvc::config {

/// Where unit files come from, highest priority first, and where profiles do.
struct Sources {
    std::vector<std::string> unit_dirs;
    std::vector<std::string> profile_dirs;
    std::string ceiling = {};  ///< file of what the site allows at most; it may be absent
    /// Paths of drop-ins that are read as if they were not there: to find out what they change.
    std::vector<std::string> without = {};
    /// true: every file must belong to root (or to this process's user when that is not root) and
    /// be writable by nobody else, checked on the open descriptor (law 5).
    bool require_trusted_owner = true;
    /// Values of %S (state directory root), %t (runtime directory root); see systemd.unit(5).
    std::string state_root = "/var/lib";
    std::string runtime_root = "/run";
};

/// The sources of an installation.
[[nodiscard]] Sources sources_of(const Places& places);

template <typename T>
using Checked = std::expected<T, Diagnostics>;

/// Names of all units that have a file, templates left out, sorted, each once.
[[nodiscard]] std::vector<std::string> list_units(const Sources& sources);

/// Where keys ("jail.chroot.root", "unit.after"), entries of theirs ("jail.identity.limits.nofile")
/// and tables were written, in the file that won; no messages. For errors that are found after
/// loading.
using JailPlaces = std::map<std::string, Diagnostic, std::less<>>;

/// The effective unit NAME: file (or template), profile and drop-ins, checked against `schema`, or
/// everything wrong with them at once. A unit without a file is one diagnostic. `places`, if given,
/// gets the places of a unit that loads.
[[nodiscard]] Checked<Unit> load_unit(const Sources& sources, const Schema& schema,
                                      const std::string& name, JailPlaces* places = nullptr);

/// load_unit for each of the names, with what they have in common read once.
[[nodiscard]] std::vector<Checked<Unit>> load_named(const Sources& sources, const Schema& schema,
                                                    const std::vector<std::string>& names);

/// Instances of templates that the unit pulls in; they have no file of their own that a listing
/// would show.
[[nodiscard]] std::vector<std::string> instances_of(const Unit& unit);

/// A unit made of what is right in its files, for those who look for more that is wrong.
struct Inspection {
    std::optional<Unit> unit = {};  ///< absent: its files cannot be read or are no TOML
    JailPlaces places = {};
    /// Tables with errors: what is not written there may have been meant to be.
    std::set<std::string, std::less<>> flawed = {};
    Diagnostics errors = {};  ///< none: it loads
};
[[nodiscard]] Inspection inspect_unit(const Sources& sources, const Schema& schema,
                                      const std::string& name);

/// A template that loads as far as that can be said without an instance.
struct Template {
    std::string name;  ///< "worker@"
    std::string description;
    std::string file;
};

/// All units that have a file, and the template instances that they require or want.
struct LoadedUnits {
    std::vector<Unit> units;
    std::vector<Template> templates;
    /// What is wrong with the others, by name of unit or template; by path for what belongs to no
    /// unit (a directory that cannot be trusted, a file NAME.toml where NAME can be no unit's).
    std::map<std::string, Diagnostics> broken;
    /// What lies there and is passed over: a file without .toml, drop-ins of no unit.
    Diagnostics strays;
};

/// load_unit for every unit, with directories listed and profiles read once. A broken unit does not
/// disturb the others. `instances` are loaded too, where there is still a template for them.
[[nodiscard]] LoadedUnits load_all(const Sources& sources, const Schema& schema,
                                   const std::vector<std::string>& instances = {});

/// The typed unit from the canonical text that `Unit::text` holds (as kept in a sealed memfd).
[[nodiscard]] Checked<Unit> parse_effective(const Schema& schema, const std::string& name,
                                            std::string_view text);

/// Every setting of a unit as TOML, defaults included, from the text that `Unit::text` holds.
[[nodiscard]] Result<std::string> settings_of(const Schema& schema, const Unit& unit);

/// Whether the file is a profile's: it lies in a folder of profiles, or in one of that name.
[[nodiscard]] bool is_profile_file(const Sources& sources, const std::string& path);

/// Whether the file is a site's ceiling: of that name, and not in a folder of units.
[[nodiscard]] bool is_ceiling_file(const Sources& sources, const std::string& path);

/// Checks one file by itself (`jailsvc verify FILE`): syntax, keys, types, values.
[[nodiscard]] Diagnostics verify_file(const Sources& sources, const Schema& schema,
                                      const std::string& path);

/// What verify_file does, on bytes already read; never throws or crashes whatever they are.
[[nodiscard]] Diagnostics verify_text(const Schema& schema, const std::string& file_name,
                                      std::string_view text);

}  // namespace jailsvc::config
