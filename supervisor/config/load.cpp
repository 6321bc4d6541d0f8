#include "config/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "config/aliases.hpp"
#include "config/checks.hpp"
#include "config/companions.hpp"
#include "config/effective.hpp"
#include "config/loader.hpp"

namespace jailsvc::config {
namespace {

/// Also a bound for templates that name ever longer instances of themselves.
constexpr std::size_t kMaxUnits = 16384;

/// What is wrong with whole directories, files that are no unit's, and templates.
void take_what_is_no_unit(Loader& loader, LoadedUnits& out) {
    for (const Diagnostic& problem : loader.problems()) {
        out.broken[problem.file].push_back(problem);
    }
    for (const Diagnostic& stray : loader.files().strays()) {
        const bool meant = stray.file.ends_with(".toml");
        (meant ? out.broken[stray.file] : out.strays).push_back(stray);
    }
    for (const std::string& name : loader.files().template_names()) {
        auto found = loader.check_template(name);
        if (found) {
            out.templates.push_back(std::move(*found));
        } else {
            out.broken.emplace(name, std::move(found).error());
        }
    }
}

/// Units whose aliases are taken do not load: nobody could say whom the name means. Of two that
/// want the same, the first by its name has it.
void refuse_taken_aliases(Loader& loader, LoadedUnits& loaded) {
    Aliases aliases;
    const auto taken = [&](const std::string& name) -> std::optional<std::string> {
        if (const auto file = loader.files().find_unit(name)) return "a unit, " + file->path();
        const std::string* owner = aliases.find(name);
        if (owner == nullptr) return std::nullopt;
        const auto file = loader.files().find_unit(*owner);
        return fmt::format("{}{}", *owner, file ? ", " + file->path() : "");
    };
    std::ranges::sort(loaded.units, {}, &Unit::name);
    std::erase_if(loaded.units, [&](const Unit& unit) {
        if (unit.install.alias.empty()) return false;
        JailPlaces places;
        if (alias_conflicts(unit, places, taken).empty()) {
            aliases.add(unit);
            return false;
        }
        (void)loader.load(unit.name, &places);
        loaded.broken.insert_or_assign(unit.name, alias_conflicts(unit, places, taken));
        return true;
    });
}

}  // namespace

std::vector<std::string> instances_of(const Unit& unit) {
    std::vector<std::string> names;
    for (const auto* list : {&unit.unit.requires_, &unit.unit.binds_to, &unit.unit.wants,
                             &unit.unit.on_failure, &unit.unit.on_success}) {
        for (const std::string& name : *list) {
            if (name.find('@') != std::string::npos) names.push_back(name);
        }
    }
    return names;
}

std::vector<std::string> list_units(const Sources& sources) {
    return UnitFiles(sources, UnitFiles::Look::kListed).unit_names();
}

Checked<Unit> load_unit(const Sources& sources, const Schema& schema, const std::string& name,
                        JailPlaces* places) {
    return Loader(sources, schema, UnitFiles::Look::kByName).load(name, places);
}

std::vector<Checked<Unit>> load_named(const Sources& sources, const Schema& schema,
                                      const std::vector<std::string>& names) {
    Loader loader(sources, schema, UnitFiles::Look::kByName);
    std::vector<Checked<Unit>> loaded;
    loaded.reserve(names.size());
    for (const std::string& name : names) loaded.push_back(loader.load(name));
    return loaded;
}

Inspection inspect_unit(const Sources& sources, const Schema& schema, const std::string& name) {
    return Loader(sources, schema, UnitFiles::Look::kByName).inspect(name);
}

LoadedUnits load_all(const Sources& sources, const Schema& schema,
                     const std::vector<std::string>& instances) {
    Loader loader(sources, schema, UnitFiles::Look::kListed);
    LoadedUnits out;
    take_what_is_no_unit(loader, out);
    const auto listed = loader.files().unit_names();
    std::deque<std::string> queue(listed.begin(), listed.end());
    queue.insert(queue.end(), instances.begin(), instances.end());
    std::set<std::string> seen;
    while (!queue.empty() && seen.size() < kMaxUnits) {
        const std::string name = queue.front();
        queue.pop_front();
        if (!loader.files().has_unit(name) || !seen.insert(name).second) continue;
        auto unit = loader.load(name);
        if (!unit) {
            out.broken.emplace(name, std::move(unit).error());
            continue;
        }
        for (std::string& instance : instances_of(*unit)) queue.push_back(std::move(instance));
        out.units.push_back(std::move(*unit));
    }
    if (!queue.empty()) {
        out.broken[queue.front()].push_back(
            {.file = queue.front(),
             .message = fmt::format("not loaded: there are more than {} units", kMaxUnits)});
    }
    refuse_taken_aliases(loader, out);
    return out;
}

Checked<Unit> parse_effective(const Schema& schema, const std::string& name,
                              std::string_view text) {
    const SourceText source{.name = name + " (effective unit)", .text = std::string(text)};
    Reporter reporter;
    auto document = parse_document(source, schema, reporter);
    if (!document) return std::unexpected(reporter.take());
    check_document(*document, schema, reporter);
    check_whole(*document, reporter);
    if (!is_unit_name(name)) reporter.add_file(source.name, "no name of a unit");
    if (!reporter.empty()) return std::unexpected(reporter.take());
    Unit unit = make_unit(name, *document);
    add_companions(unit, *document, schema);
    // As it was, with what it says of files beside it: the digest names this text.
    unit.set_text(text);
    return unit;
}

Result<std::string> settings_of(const Schema& schema, const Unit& unit) {
    const SourceText source{.name = unit.name + " (effective unit)", .text = unit.text.str()};
    Reporter reporter;
    const auto document = parse_document(source, schema, reporter);
    if (!document || !reporter.empty()) {
        return fail(fmt::format("{}: loaded with other plugins than there are now", unit.name));
    }
    return to_toml_with_defaults(*document, schema);
}

Sources sources_of(const Places& places) {
    return {.unit_dirs = places.unit_dirs,
            .profile_dirs = places.profile_dirs,
            .ceiling = places.ceiling,
            .require_trusted_owner = true,
            .state_root = places.state_root,
            .runtime_root = places.runtime_root};
}

}  // namespace jailsvc::config
