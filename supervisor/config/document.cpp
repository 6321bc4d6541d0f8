#include "config/document.hpp"

namespace jailsvc::config {
namespace {

void merge_value(Value& base, const Value& over) {
    auto* into = std::get_if<TextMap>(&base.data);
    const auto* from = std::get_if<TextMap>(&over.data);
    if (into == nullptr || from == nullptr) {
        base = over;
        return;
    }
    for (const auto& [name, text] : *from) into->insert_or_assign(name, text);
}

}  // namespace

const Value* Document::find(std::string_view section, std::string_view key) const {
    const auto found = sections.find(section);
    if (found == sections.end()) return nullptr;
    const auto value = found->second.keys.find(key);
    return value == found->second.keys.end() ? nullptr : &value->second;
}

const Text* Document::find_text(std::string_view section, std::string_view key) const {
    const Value* value = find(section, key);
    return value == nullptr ? nullptr : std::get_if<Text>(&value->data);
}

void merge(Document& base, const Document& over) {
    for (const auto& [name, section] : over.sections) {
        Section& into = base.sections.try_emplace(name, Section{.where = section.where, .keys = {}})
                            .first->second;
        into.incomplete = into.incomplete || section.incomplete;
        into.flawed = into.flawed || section.flawed;
        for (const auto& [key, value] : section.keys) {
            const auto [place, added] = into.keys.try_emplace(key, value);
            if (!added) merge_value(place->second, value);
        }
    }
}

}  // namespace jailsvc::config
