// The engine's units: all of their files read, and instances of templates as they are asked for.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/idle_memory.hpp"
#include "config/sight.hpp"
#include "engine/engine.hpp"
#include "engine/process_list.hpp"
#include "ipc/freezing.hpp"

namespace jailsvc::engine {
namespace {

/// As many as a reload takes (config::load_all); each costs memory for good.
constexpr std::size_t kMaxUnits = 16384;

}  // namespace

/// Of the running service; where it has no control group, of its main process.
std::optional<Usage> Engine::usage(std::string_view unit, pid_t main) const {
    if (main <= 0) return std::nullopt;
    if (auto whole = groups_.usage_of(unit)) return whole;
    return usage_of(main);
}

/// Since the service began. A group that was made anew has counted from nothing.
UnitGroups::Hits Engine::hits(std::string_view unit) const {
    const UnitGroups::Hits now = groups_.hits_of(unit);
    const Extra before = extra(unit);
    const auto since = [](std::uint64_t count, std::uint64_t base) {
        return count >= base ? count - base : count;
    };
    return {.oom_kills = since(now.oom_kills, before.oom_kills),
            .refused_tasks = since(now.refused_tasks, before.refused_tasks)};
}

bool Engine::is_grouped(std::string_view unit) const {
    return groups_.processes_of(unit).has_value();
}

bool Engine::is_frozen(std::string_view unit) const {
    return groups_.is_frozen(unit);
}

void Engine::freeze(std::string_view unit, bool on) {
    const auto status = manager_.status(unit);
    if (!status) return;
    launcher_.signal(unit, status->record.main_token, on ? ipc::kFreeze : ipc::kThaw,
                     service::Whom::kAll);
}

std::vector<pid_t> Engine::processes(std::string_view unit, pid_t main) const {
    auto members = groups_.processes_of(unit);
    if (members) return std::move(*members);
    return main > 0 ? with_descendants(main) : std::vector<pid_t>();
}

UnitSet Engine::load_all_units(const std::vector<std::string>& known) const {
    // Instances of templates have no file of their own; who runs is known from elsewhere.
    std::vector<std::string> instances;
    std::ranges::copy_if(known, std::back_inserter(instances), [](const std::string& name) {
        return name.find('@') != std::string::npos;
    });
    return load_units(sources_, *schema_, instances);
}

/// Each once: what keeps every unit from being loaded (a ceiling that is broken) is every unit's.
void Engine::tell_errors(const FileErrors& all) {
    std::set<std::string_view> told;
    for (const auto& [name, errors] : all) {
        for (const std::string& error : errors) {
            if (!told.insert(error).second) continue;
            // Those of files that are no unit's begin with the path, which is their name here.
            if (error.starts_with(name)) {
                spdlog::error("{}", error);
            } else {
                spdlog::error("{}: {}", name, error);
            }
        }
    }
}

/// A directory that cannot be read or trusted says nothing of its units: none of them is gone, each
/// has that error.
void Engine::keep_hidden(UnitSet& set) const {
    const auto closed = std::ranges::find_if(set.errors, [](const auto& entry) {
        return entry.first.starts_with('/') && !entry.first.ends_with(".toml");
    });
    if (closed == set.errors.end()) return;
    const std::vector<std::string> why = closed->second;
    for (const std::string& name : manager_.names()) {
        const auto known = manager_.status(name);
        const bool read =
            std::ranges::find(set.units, name, &config::Unit::name) != set.units.end();
        if (!read && !known->file_gone && !known->unit->files.empty())
            set.errors.try_emplace(name, why);
    }
}

/// Services that run and have no file among these any more: no target takes their names meanwhile.
std::set<std::string, std::less<>> Engine::running_without(
    const std::vector<config::Unit>& units) const {
    std::set<std::string, std::less<>> names;
    for (const std::string& name : manager_.names()) {
        const auto status = manager_.status(name);
        const bool runs = status->record.state != service::State::kInactive &&
                          status->record.state != service::State::kFailed;
        if (runs && !status->unit->is_target) names.insert(name);
    }
    for (const config::Unit& unit : units) names.erase(unit.name);
    return names;
}

service::Manager::LoadReport Engine::take(UnitSet set) {
    tell_errors(set.errors);
    keep_hidden(set);
    for (const auto& [name, errors] : set.errors) {
        // A file broken since it was loaded disturbs nothing: what was loaded goes on.
        if (const config::Unit* old = manager_.find(name)) set.units.push_back(*old);
    }
    for (const std::string& warning : set.warnings) spdlog::warn("{}", warning);
    file_errors_ = std::move(set.errors);
    templates_ = std::move(set.templates);
    aliases_ = {};
    for (const config::Unit& unit : set.units) aliases_.add(unit);
    for (config::Unit& unit : set.units) aliases_.resolve(unit);
    add_wanted(set.units, running_without(set.units));
    service::Manager::Faults faults;
    for (const auto& [name, errors] : file_errors_) {
        const std::string_view first = errors.empty() ? std::string_view() : errors.front();
        faults.emplace(name, first.substr(0, first.find('\n')));
    }
    auto loaded = manager_.load(std::move(set.units), std::move(faults));
    if (ready_) mark_connections();
    if (ready_) transients_.look_for_jobs();
    for (const std::string& error : loaded.errors) spdlog::error("{}", error);
    for (const std::string& name : loaded.removed) {
        timers_.forget(name);
        if (records_) records_->erase(name);
        auto forget = ipc::make<ipc::Forget>();
        ipc::set_text(forget.unit, name);
        jailer_.send(forget);
    }
    return loaded;
}

/// Units but those that only somebody's question has loaded, or whose start was refused: an
/// instance that is at rest comes back when it is asked for.
std::vector<std::string> Engine::of_use() const {
    std::vector<std::string> names = manager_.names();
    std::erase_if(names, [this](const std::string& name) {
        return manager_.status(name)->record.state == service::State::kInactive;
    });
    return names;
}

ReloadReport Engine::reload() {
    UnitSet set = load_all_units(of_use());
    std::vector<std::string> errors;
    std::set<std::string> told;
    for (const auto& [name, list] : set.errors) {
        std::ranges::copy_if(list, std::back_inserter(errors),
                             [&](const std::string& error) { return told.insert(error).second; });
    }
    jailer_.send(ipc::make<ipc::ReloadUnits>());
    std::vector<std::string> warnings = set.warnings;
    auto loaded = take(std::move(set));
    for (const std::string& unit : loaded.changed) take_new_times(unit);
    errors.insert(errors.end(), loaded.errors.begin(), loaded.errors.end());
    give_back_memory();  // reading took far more for a moment than what is kept
    spdlog::info("reloaded: {} added, {} changed, {} removed, {} errors", loaded.added.size(),
                 loaded.changed.size(), loaded.removed.size(), errors.size());
    return {.added = std::move(loaded.added),
            .changed = std::move(loaded.changed),
            .removed = std::move(loaded.removed),
            .stale = std::move(loaded.running_stale),
            .errors = std::move(errors),
            .warnings = std::move(warnings)};
}

void Engine::note_errors(const std::string& unit, const config::Diagnostics& found) {
    // Of a unit without a file there is nothing to be mended; and names are anybody's to invent.
    const bool has_file = found.front().file != unit;
    if (!has_file || file_errors_.size() >= kMaxUnits) return;
    auto& errors = file_errors_[unit];
    errors.clear();
    for (const auto& error : found) errors.push_back(config::to_string(error));
}

void Engine::load_instances(const std::vector<std::string>& units) {
    const std::size_t known = manager_.names().size();
    if (known + units.size() > kMaxUnits) {
        return spdlog::error("there are {} units, and {} more are not loaded: {} are the most",
                             known, units.size(), kMaxUnits);
    }
    (void)load_new(units);
}

bool Engine::load_again(const std::string& unit) {
    return load_new({unit}) == 1;
}

/// What the others of load_all would be told.
config::Diagnostics Engine::taken_aliases(const config::Unit& unit) const {
    if (unit.install.alias.empty()) return {};
    const auto taken = [&](const std::string& name) -> std::optional<std::string> {
        if (manager_.find(name) != nullptr) return "a unit";
        const std::string* owner = aliases_.find(name);
        return owner == nullptr || *owner == unit.name ? std::nullopt : std::optional(*owner);
    };
    config::JailPlaces places;
    if (config::alias_conflicts(unit, places, taken).empty()) return {};
    (void)config::load_unit(sources_, *schema_, unit.name, &places);
    return config::alias_conflicts(unit, places, taken);
}

/// Of those names the ones that are in neither set, each once.
std::vector<std::string> Engine::unknown_of(const std::vector<std::string>& names,
                                            const std::vector<config::Unit>& more) const {
    std::set<std::string> unknown;
    for (const std::string& name : names) {
        const bool known = manager_.find(name) != nullptr ||
                           std::ranges::find(more, name, &config::Unit::name) != more.end();
        if (!known) unknown.insert(name);
    }
    return {unknown.begin(), unknown.end()};
}

/// Those that load, as they are handed to the manager.
std::vector<config::Unit> Engine::read_new(const std::vector<std::string>& names) {
    std::vector<config::Unit> good;
    const config::Sight sight(sources_);
    auto loaded = config::load_named(sources_, *schema_, names);
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (!loaded[i]) {
            note_errors(names[i], loaded[i].error());
            continue;
        }
        if (const auto taken = taken_aliases(*loaded[i]); !taken.empty()) {
            note_errors(names[i], taken);
            continue;
        }
        file_errors_.erase(names[i]);
        drop_what_the_jailer_needs(*loaded[i]);
        aliases_.add(*loaded[i]);
        aliases_.resolve(*loaded[i]);
        loaded[i]->sight = sight.of(*loaded[i]);
        good.push_back(std::move(*loaded[i]));
    }
    return good;
}

/// How many of them load. Instances that they pull in, and these in turn, are loaded too.
std::size_t Engine::load_new(const std::vector<std::string>& names) {
    std::vector<config::Unit> good = read_new(names);
    const std::size_t count = good.size();
    for (std::size_t seen = 0; seen < good.size();) {
        std::vector<std::string> pulled;
        for (; seen < good.size(); ++seen) {
            std::ranges::move(config::instances_of(good[seen]), std::back_inserter(pulled));
        }
        const auto unknown = unknown_of(pulled, good);
        if (manager_.names().size() + good.size() + unknown.size() > kMaxUnits) break;
        std::ranges::move(read_new(unknown), std::back_inserter(good));
    }
    if (good.empty()) return 0;
    for (const std::string& error : manager_.add(std::move(good)).errors) {
        spdlog::error("{}", error);
    }
    return count;
}

std::string Engine::outdated(std::string_view unit) const {
    const auto known = manager_.status(unit);
    if (!known || known->file_gone || known->unit->files.empty()) return {};
    if (config::Sight(sources_).of(*known->unit) == known->unit->sight) return {};
    const auto read = config::load_unit(sources_, *schema_, known->unit->name);
    if (read && read->digest == known->unit->digest) return {};
    std::string text = "its files have changed since they were read; ";
    return read ? text + "run jailsvc daemon-reload first"
                : text + "mend them first: " + config::to_string(read.error().front());
}

const std::vector<std::string>* Engine::file_errors(std::string_view unit) const {
    const auto at = file_errors_.find(unit);
    return at == file_errors_.end() ? nullptr : &at->second;
}

std::vector<std::string> Engine::broken_units() const {
    std::vector<std::string> names;
    for (const auto& [name, errors] : file_errors_) {
        if (config::is_unit_name(name) && manager_.find(name) == nullptr) names.push_back(name);
    }
    return names;
}

std::vector<config::Template> Engine::templates() const {
    std::vector<config::Template> all = templates_;
    for (const auto& [name, errors] : file_errors_) {
        if (config::is_template_name(name))
            all.push_back({.name = name, .description = {}, .file = {}});
    }
    std::ranges::sort(all, {}, &config::Template::name);
    return all;
}

Digest Engine::digest_of_start(std::string_view unit) const {
    // The record of a start names its digest, and was written before the request came here.
    if (const auto entry = records_ ? records_->find(unit) : std::nullopt) {
        return std::to_array(entry->record.digest);
    }
    const config::Unit* known = manager_.find(unit);
    return known == nullptr ? Digest{} : known->digest;
}

}  // namespace jailsvc::engine
