#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/schema.hpp"
#include "config/unit.hpp"

namespace jailsvc::config {

/// One thing wrong in a file; line and column count from 1, 0 where a file as a whole is meant.
struct Diagnostic {
    std::string file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string message;
};

/// "web.toml:2:11: restart: unknown policy …", and below it the line with a caret where known.
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

/// Where unit files come from, highest priority first, and where profiles do.
struct Sources {
    std::vector<std::string> unit_dirs;
    std::vector<std::string> profile_dirs;
    /// true: every file must belong to root (or to this process's user when that is not root) and
    /// be writable by nobody else, checked on the open descriptor (law 5).
    bool require_trusted_owner = true;
    /// Values of %S (state directory root), %t (runtime directory root); see systemd.unit(5).
    std::string state_root = "/var/lib";
    std::string runtime_root = "/run";
};

using Diagnostics = std::vector<Diagnostic>;
template <typename T>
using Checked = std::expected<T, Diagnostics>;

/// Names of all units that have a file, templates left out, sorted, each once.
[[nodiscard]] std::vector<std::string> list_units(const Sources& sources);

/// Whether `name` may name a unit: [A-Za-z0-9:_.-] with at most one '@', 1 to 127 bytes, not
/// starting with '.' or '-'.
[[nodiscard]] bool is_unit_name(std::string_view name);

/// The effective unit NAME: file (or template), profile and drop-ins, checked against `schema`, or
/// everything wrong with them at once. A unit without a file is one diagnostic.
[[nodiscard]] Checked<Unit> load_unit(const Sources& sources, const Schema& schema,
                                      const std::string& name);

/// The typed unit from the canonical text that `Unit::text` holds (as kept in a sealed memfd).
[[nodiscard]] Checked<Unit> parse_effective(const Schema& schema, const std::string& name,
                                            std::string_view text);

/// Checks one file by itself (`jailsvc verify FILE`): syntax, keys, types, values.
[[nodiscard]] Diagnostics verify_file(const Sources& sources, const Schema& schema,
                                      const std::string& path);

/// What verify_file does, on bytes already read; never throws or crashes whatever they are.
[[nodiscard]] Diagnostics verify_text(const Schema& schema, const std::string& file_name,
                                      std::string_view text);

}  // namespace jailsvc::config
