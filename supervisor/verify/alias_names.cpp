#include "verify/alias_names.hpp"

#include <fmt/format.h>

#include "config/aliases.hpp"
#include "config/loader.hpp"

namespace jailsvc::verify {

const std::map<std::string, std::vector<std::string>>& AliasNames::owners() const {
    if (owners_) return *owners_;
    owners_.emplace();
    config::Loader loader(sources_, schema_, config::UnitFiles::Look::kListed);
    for (const std::string& name : loader.files().unit_names()) {
        const config::Inspection seen = loader.inspect(name);
        if (!seen.unit) continue;
        for (const std::string& alias : seen.unit->install.alias) {
            (*owners_)[alias].push_back(name);
        }
    }
    return *owners_;
}

std::optional<std::string> AliasNames::owner_of(const std::string& alias) const {
    const auto at = owners().find(alias);
    if (at == owners().end()) return std::nullopt;
    return at->second.front();
}

config::Diagnostics AliasNames::conflicts(const Known& known) const {
    if (known.unit.install.alias.empty()) return {};
    const config::UnitFiles files(sources_, config::UnitFiles::Look::kByName);
    const auto taken = [&](const std::string& name) -> std::optional<std::string> {
        if (const auto file = files.find_unit(name)) return "a unit, " + file->path();
        const auto at = owners().find(name);
        if (at == owners().end()) return std::nullopt;
        for (const std::string& owner : at->second) {
            if (owner == known.unit.name) continue;
            const auto file = files.find_unit(owner);
            return fmt::format("{}{}", owner, file ? ", " + file->path() : "");
        }
        return std::nullopt;
    };
    return config::alias_conflicts(known.unit, known.places, taken);
}

}  // namespace jailsvc::verify
