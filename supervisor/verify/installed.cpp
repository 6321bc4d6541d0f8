#include "verify/installed.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/places.hpp"
#include "base/site_files.hpp"
#include "config/checks.hpp"
#include "config/load.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"
#include "config/presets.hpp"
#include "config/unit_files.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "jailer/tools/tool_arguments.hpp"
#include "verify/alias_names.hpp"

namespace jailsvc::verify {
namespace {

using Json = nlohmann::json;
using config::UnitFiles;

constexpr int kUsage = 2;

std::string drop_in(const std::string& dir, const std::string& name, std::string_view file) {
    return fmt::format("{}/{}.toml.d/{}", dir, name, file);
}

/// Beside the profiles, the site's first.
std::vector<std::string> preset_dirs(const Places& places) {
    std::vector<std::string> dirs;
    for (const std::string& profiles : places.profile_dirs) {
        dirs.push_back(profiles.substr(0, profiles.rfind('/')) + "/presets");
    }
    return dirs;
}

const char* name_of(config::Presets::Policy policy) {
    switch (policy) {
        case config::Presets::Policy::kNone:
            return "";
        case config::Presets::Policy::kEnable:
            return "enable";
        case config::Presets::Policy::kDisable:
            return "disable";
    }
    return "";
}

std::string place_of(const config::Inspection& seen, std::string_view key) {
    const auto place = seen.places.find(key);
    return place == seen.places.end() ? std::string() : place->second.file;
}

Json facts(const config::Inspection& seen) {
    const config::Unit unit = seen.unit.value_or(config::Unit{});
    const auto& wanted_by = unit.install.wanted_by;
    return {{"wanted_by", std::vector<std::string>(wanted_by.begin(), wanted_by.end())},
            {"enabled", unit.install.enabled},
            {"masked", unit.unit.masked},
            {"enabled_by", place_of(seen, "install.enabled")},
            {"masked_by", place_of(seen, "unit.masked")}};
}

/// One name after the other; where the site's own files are is found once.
class Installed {
public:
    Installed(const config::Schema& schema, const Places& places)
        : schema_(schema),
          sources_(config::sources_of(places)),
          site_(places.site_units()),
          files_(sources_, UnitFiles::Look::kByName),
          aliases_(sources_, schema),
          presets_(config::Presets::read(preset_dirs(places), config::Trust::kRootOnly,
                                         preset_problems_)) {}

    /// All units, where none is named.
    [[nodiscard]] Json tell_all(std::vector<std::string> names) const {
        if (names.empty()) names = config::list_units(sources_);
        Json told = Json::array();
        for (const std::string& name : names) told.push_back(tell(name));
        return told;
    }

    [[nodiscard]] Json tell(const std::string& name) const {
        Json told{{"name", name}, {"kind", "none"}, {"file", ""}, {"nearest", ""}};
        const bool is_template = config::is_template_name(name);
        const bool can_be = is_template || config::is_unit_name(name);
        const auto file = can_be ? files_.find_unit(name) : std::nullopt;
        if (!file && can_be && !is_template) {
            if (const auto owner = aliases_.owner_of(name)) return tell(*owner);
        }
        if (!file) {
            told["nearest"] = config::nearest(name, config::list_units(sources_));
            return told;
        }
        const bool is_own = file->name == name + ".toml";
        told["kind"] = is_template ? "template" : is_own ? "unit" : "instance";
        told["file"] = file->path();
        told["listed"] = is_own || has_enabled_file(name);
        told["preset"] = name_of(presets_.of(name));
        // A template stands for an instance, as for `verify`.
        add_facts(told, name, is_template ? name + std::string(config::kStandIn) : name);
        return told;
    }

    /// Unit directories that cannot be read or trusted: nothing in them is known.
    [[nodiscard]] Json problems() const { return texts(files_.problems()); }
    [[nodiscard]] Json preset_problems() const { return texts(preset_problems_); }

private:
    static Json texts(const config::Diagnostics& all) {
        Json told = Json::array();
        for (const auto& one : all) told.push_back(config::to_string(one));
        return told;
    }
    void add_facts(Json& told, const std::string& name, const std::string& unit) const {
        const config::Inspection now = config::inspect_unit(sources_, schema_, unit);
        config::Sources plain = sources_;
        plain.without = {drop_in(site_, name, kEnabledFile), drop_in(site_, name, kMaskedFile)};
        told["loads"] = now.unit.has_value();
        told["errors"] = texts(now.errors);
        told["now"] = facts(now);
        told["plain"] = facts(config::inspect_unit(plain, schema_, unit));
    }
    [[nodiscard]] bool has_enabled_file(const std::string& name) const {
        for (const std::string& path : sources_.unit_dirs) {
            const auto dir = config::TrustedDir::open(path, config::Trust::kRootOnly);
            if (!dir) continue;
            const auto below = dir->open_below(name + ".toml.d");
            if (below && below->has(std::string(kEnabledFile))) return true;
        }
        return false;
    }

    const config::Schema& schema_;
    config::Sources sources_;
    std::string site_;
    UnitFiles files_;
    AliasNames aliases_;
    config::Diagnostics preset_problems_;
    config::Presets presets_;
};

}  // namespace

int installed(const std::vector<std::string>& arguments) {
    const jailer::ToolArguments given = jailer::split_arguments(arguments);
    const auto places = Places::from_arguments(given.options);
    if (!places) {
        std::fprintf(stderr, "jailsvcd: %s\n", places.error().message.c_str());
        return kUsage;
    }
    const jailer::PluginHost host = jailer::PluginHost::load(*places);
    const Installed all(host.schema(), *places);
    const Json told{{"site", places->site_units()},
                    {"problems", all.problems()},
                    {"preset_problems", all.preset_problems()},
                    {"transient", places->unit_dirs.front()},
                    {"units", all.tell_all(given.rest)}};
    std::puts(told.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return 0;
}

}  // namespace jailsvc::verify
