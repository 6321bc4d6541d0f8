// What a bound asks besides what it says: other keys by which a unit would get out of it.

#include <fmt/format.h>

#include <algorithm>

#include "config/ceiling.hpp"
#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

/// "identity" of the tables jail.identity and jail.identity.limits; empty for jail itself.
std::string_view plugin_of(std::string_view table) {
    constexpr std::string_view kJail = "jail.";
    if (!table.starts_with(kJail)) return {};
    table.remove_prefix(kJail.size());
    return table.substr(0, table.find('.'));
}

/// Whether a jail may do without what the bound is about. An entry may name one key, and the
/// operations of that are given up; which these are besides the bounded key's own only the plugin
/// knows. Of cgroups each key is one limit.
bool gives_up(std::string_view entry, std::string_view plugin, std::string_view key) {
    if (entry == plugin) return true;
    if (!entry.starts_with(plugin) || entry.size() <= plugin.size()) return false;
    if (entry[plugin.size()] != '.') return false;
    return plugin != "cgroups" || entry.substr(plugin.size() + 1) == key;
}

}  // namespace

const Ceiling::Bound* Ceiling::bound_of(std::string_view table, std::string_view key) const {
    const auto found = std::ranges::find_if(
        bounds_, [&](const Bound& bound) { return bound.table == table && bound.key == key; });
    return found == bounds_.end() ? nullptr : &*found;
}

/// [jail.pledge] add makes promises too, on_violation = "log" enforces none of them, and with stage
/// = "main" what the loader needs is there until then, promised or not: a bound on promises that
/// left these free would be none.
void Ceiling::bound_what_undoes_promises(const Schema& schema) {
    constexpr const char* kTable = "jail.pledge";
    const Bound* promises = bound_of(kTable, "promises");
    if (promises == nullptr) return;
    const Raw limit = promises->limit;
    const auto imply = [&](const char* key, const Raw& bound, bool if_written) {
        if (bound_of(kTable, key) != nullptr || schema.find_key(kTable, key) == nullptr) return;
        bounds_.push_back({.table = kTable, .key = key, .limit = bound, .if_written = if_written});
    };
    imply("add", limit, true);
    for (Bound& bound : bounds_) {
        if (bound.table == kTable && bound.key == "add") bound.if_written = true;
    }
    imply("on_violation", {.where = limit.where, .data = std::string("errno kill")}, false);
    imply("stage", {.where = limit.where, .data = std::string("exec")}, false);
}

/// What a jail may do without has no bound, unless the site itself says what may be given up.
void Ceiling::check_optional(const Document& merged, Reporter& reporter) const {
    const Value* written = merged.find("jail", "optional");
    const auto* entries = written != nullptr ? std::get_if<TextList>(&written->data) : nullptr;
    if (entries == nullptr || bound_of("jail", "optional") != nullptr) return;
    for (const Text& entry : *entries) {
        const auto given_up = std::ranges::find_if(bounds_, [&](const Bound& bound) {
            const std::string_view plugin = plugin_of(bound.table);
            return !plugin.empty() && gives_up(entry.text, plugin, bound.key);
        });
        if (given_up == bounds_.end()) continue;
        reporter.add(entry.where,
                     fmt::format("[jail] optional: {} would give up what the site bounds by [{}] "
                                 "{} ({}:{}); take it out, or let the ceiling say in [jail] "
                                 "optional what may be given up",
                                 shown(entry.text), given_up->table, given_up->key, source_->name,
                                 given_up->limit.where.line));
    }
}

}  // namespace jailsvc::config
