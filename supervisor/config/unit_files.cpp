#include "config/unit_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/site_files.hpp"
#include "config/names.hpp"

namespace jailsvc::config {
namespace {

constexpr std::string_view kSuffix = ".toml";
constexpr std::string_view kDropIns = ".toml.d";

/// "web" of "web.toml"; empty for other names.
std::string_view stem(std::string_view file_name) {
    return file_name.ends_with(kSuffix) ? file_name.substr(0, file_name.size() - kSuffix.size())
                                        : std::string_view();
}

}  // namespace

UnitFiles::UnitFiles(const Sources& sources, Look look)
    : without_(sources.without.begin(), sources.without.end()) {
    const Trust trust = sources.require_trusted_owner ? Trust::kRootOnly : Trust::kAny;
    open_all(sources.unit_dirs, trust, look, units_);
    open_all(sources.profile_dirs, trust, look, profiles_);
}

void UnitFiles::open_all(const std::vector<std::string>& paths, Trust trust, Look look,
                         Listing& out) {
    for (const std::string& path : paths) {
        auto listed = open_one(path, trust, look);
        if (listed) {
            out.push_back(std::move(*listed));
        } else if (listed.error().code != ENOENT) {
            problems_.push_back({.file = path, .message = listed.error().message});
        }
    }
}

Result<UnitFiles::Listed> UnitFiles::open_one(const std::string& path, Trust trust, Look look) {
    TRY(TrustedDir dir, TrustedDir::open(path, trust));
    if (look == Look::kByName) return Listed{std::move(dir), std::nullopt};
    TRY(const auto names, dir.list());
    return Listed{std::move(dir), Names(names.begin(), names.end())};
}

std::vector<std::string> UnitFiles::unit_names() const {
    const auto files = names_that(is_unit_name);
    Names names(files.begin(), files.end());
    for (const Listed& listed : units_) add_enabled_instances(listed, names);
    return {names.begin(), names.end()};
}

void UnitFiles::add_enabled_instances(const Listed& listed, Names& names) const {
    for (const std::string& folder : *listed.names) {
        if (!folder.ends_with(kDropIns)) continue;
        const std::string name = folder.substr(0, folder.size() - kDropIns.size());
        if (!is_unit_name(name) || !split_name(name).is_instance || !has_unit(name)) continue;
        const auto dir = listed.dir.open_below(folder);
        // One that cannot be read is told of when its unit is loaded.
        if (!dir || dir->has(std::string(kEnabledFile))) names.insert(name);
    }
}

std::vector<std::string> UnitFiles::template_names() const {
    return names_that(is_template_name);
}

std::vector<std::string> UnitFiles::names_that(bool (*are)(std::string_view)) const {
    std::set<std::string> names;
    for (const Listed& listed : units_) {
        for (const std::string& file : *listed.names) {
            if (are(stem(file))) names.emplace(stem(file));
        }
    }
    return {names.begin(), names.end()};
}

std::vector<std::string> UnitFiles::profile_names() const {
    std::set<std::string> names;
    for (const Listed& listed : profiles_) {
        for (const std::string& file : listed.dir.list().value_or(std::vector<std::string>())) {
            if (is_profile_name(stem(file))) names.emplace(stem(file));
        }
    }
    return {names.begin(), names.end()};
}

Diagnostics UnitFiles::strays() const {
    Diagnostics found;
    for (const Listed& listed : units_) {
        for (const std::string& name : *listed.names) {
            auto fault = stray_fault(listed, name);
            if (fault.empty()) continue;
            found.push_back({.file = listed.dir.path_of(name), .message = std::move(fault)});
        }
    }
    return found;
}

std::string UnitFiles::stray_fault(const Listed& listed, const std::string& name) const {
    if (name.ends_with(kDropIns)) {
        const std::string owner = name.substr(0, name.size() - 2);
        if (has_owner(owner)) return {};
        return fmt::format("drop-ins of no unit: there is no {}; rename or remove them", owner);
    }
    // Without any suffix it was probably forgotten; web.toml.bak and notes.txt are put aside.
    const bool meant = name.ends_with(kSuffix) ||
                       (name.find_first_of(".~") == std::string::npos && listed.dir.has_file(name));
    return meant ? unit_file_fault(name) : std::string();
}

/// Whether drop-ins of `file_name` are ever read: its unit, template or one instance has a file.
bool UnitFiles::has_owner(const std::string& file_name) const {
    const std::string name(stem(file_name));
    if (is_unit_name(name)) return has_unit(name);
    if (!is_template_name(name)) return false;
    return std::any_of(units_.begin(), units_.end(), [&](const Listed& listed) {
        return std::any_of(
            listed.names->lower_bound(name), listed.names->end(),
            [&](const auto& one) { return one.starts_with(name) && one.ends_with(kSuffix); });
    });
}

bool UnitFiles::has_unit(const std::string& name) const {
    return find_unit(name).has_value();
}

std::optional<UnitFiles::File> UnitFiles::find(const Listing& listing,
                                               const std::string& file_name) {
    for (const Listed& listed : listing) {
        if (listed.has(file_name)) return File{&listed.dir, file_name};
    }
    return std::nullopt;
}

std::optional<UnitFiles::File> UnitFiles::find_unit(const std::string& name) const {
    for (const std::string& file_name : file_names_of(name)) {
        if (auto file = find(units_, file_name)) return file;
    }
    return std::nullopt;
}

std::optional<UnitFiles::File> UnitFiles::find_profile(const std::string& name) const {
    return find(profiles_, name + ".toml");
}

std::vector<UnitFiles::File> UnitFiles::find_drop_ins(const std::string& name,
                                                      std::vector<TrustedDir>& opened,
                                                      Reporter& reporter) const {
    const auto owners = file_names_of(name);
    opened.reserve(units_.size() * owners.size());  // files point into it
    std::map<std::string, File> chosen;
    for (const Listed& listed : units_) {
        for (const std::string& owner : owners) {
            const std::string below = owner + ".d";
            if (!listed.has(below)) continue;
            auto dir = listed.dir.open_below(below);
            auto files =
                dir ? dir->list() : Result<std::vector<std::string>>(std::unexpected(dir.error()));
            if (!files) {
                reporter.add_file(listed.dir.path_of(below), files.error().message);
                continue;
            }
            opened.push_back(std::move(*dir));
            for (const std::string& file : *files) {
                if (stem(file).empty() || without_.contains(opened.back().path_of(file))) continue;
                chosen.try_emplace(file, File{&opened.back(), file});
            }
        }
    }
    if (chosen.size() > kMaxDropIns) {
        reporter.add_file(name, fmt::format("more than {} drop-ins", kMaxDropIns));
        return {};
    }
    std::vector<File> out;
    for (auto& [file_name, file] : chosen) out.push_back(std::move(file));
    return out;
}

}  // namespace jailsvc::config
