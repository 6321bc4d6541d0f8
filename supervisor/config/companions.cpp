#include "config/companions.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace jailsvc::config {
namespace {

void add(List<std::string>& list, const std::string& name) {
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
}

}  // namespace

std::string companion_instance(std::string_view unit) {
    std::string instance;
    for (const char c : unit) {
        switch (c) {
            case '_':
                instance += "__";
                break;
            case '@':
                instance += "_-";
                break;
            case ':':
                instance += "_.";
                break;
            default:
                instance += c;
        }
    }
    return instance;
}

std::string unit_of_companion(std::string_view instance) {
    std::string unit;
    for (std::size_t i = 0; i < instance.size(); ++i) {
        if (instance[i] != '_' || i + 1 == instance.size()) {
            unit += instance[i];
            continue;
        }
        const char meant = instance[++i];
        unit += meant == '-' ? '@' : meant == '.' ? ':' : meant;
    }
    return unit;
}

std::string companion_of(std::string_view unit, std::string_view companion) {
    return fmt::format("{}@{}", companion, companion_instance(unit));
}

void add_companions(Unit& unit, const Document& document, const Schema& schema) {
    for (const Table& table : schema.tables) {
        if (table.companion.empty()) continue;
        const auto section = document.sections.find(table.name);
        if (section == document.sections.end() || section->second.keys.empty()) continue;
        const std::string name = companion_of(unit.name, table.companion);
        add(unit.unit.wants, name);
        add(unit.unit.after, name);
    }
}

}  // namespace jailsvc::config
