#include "engine/relations.hpp"

#include <string>
#include <vector>

namespace jailsvc::engine {

control::Json relations_of(const config::Unit& unit) {
    using config::UnitTable;
    static constexpr std::pair<const char*, List<std::string> UnitTable::*> kLists[] = {
        {"requires", &UnitTable::requires_},    {"wants", &UnitTable::wants},
        {"binds_to", &UnitTable::binds_to},     {"part_of", &UnitTable::part_of},
        {"after", &UnitTable::after},           {"before", &UnitTable::before},
        {"conflicts", &UnitTable::conflicts},   {"on_failure", &UnitTable::on_failure},
        {"on_success", &UnitTable::on_success},
    };
    control::Json json{{"name", unit.name}, {"target", unit.is_target}};
    for (const auto& [key, list] : kLists) {
        const auto& names = unit.unit.*list;
        json[key] = std::vector<std::string>(names.begin(), names.end());
    }
    return json;
}

}  // namespace jailsvc::engine
