#include "verify/pointless.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace jailsvc::verify {
namespace {

void find_self(const Known& known, config::Diagnostics& found) {
    const auto& table = known.unit.unit;
    const std::pair<const char*, const List<std::string>*> keys[] = {
        {"conflicts", &table.conflicts}, {"wants", &table.wants}, {"part_of", &table.part_of}};
    for (const auto& [key, names] : keys) {
        if (std::ranges::find(*names, known.unit.name) == names->end()) continue;
        found.push_back(
            at_key(known, "unit", key, "names the unit itself, which has no effect; drop it"));
    }
}

void find_empty(const Known& known, config::Diagnostics& found) {
    for (const auto& [key, commands] : kCommandsKeys) {
        const auto place = known.places.find(fmt::format("service.{}", key));
        if (place == known.places.end() || place->second.file != known.file) continue;
        if (!(known.unit.service.*commands).empty()) continue;
        found.push_back(at_key(known, "service", key, "no command, so nothing runs; drop it"));
    }
}

}  // namespace

config::Diagnostics find_pointless(const Known& known) {
    config::Diagnostics found;
    find_self(known, found);
    find_empty(known, found);
    return found;
}

}  // namespace jailsvc::verify
