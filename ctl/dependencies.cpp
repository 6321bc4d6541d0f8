#include "dependencies.hpp"

#include <algorithm>

#include "text.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::string_view kPulling[] = {"requires", "binds_to", "wants"};

std::vector<std::string> names_of(const Json& relations, std::string_view key) {
    std::vector<std::string> names;
    for (const auto& name : relations.value(std::string(key), Json::array())) {
        if (name.is_string()) names.push_back(name.get<std::string>());
    }
    return names;
}

}  // namespace

Result<Relations> Relations::ask_for(const Context& context) {
    TRY(control::Answer answer, ask(context, "Dependencies", {{"units", Json::array()}}));
    Relations relations;
    for (const Json& unit : answer.reply.parameters.value("units", Json::array())) {
        const std::string name = unit.value("name", "");
        relations.targets_[name] = unit.value("target", false);
        for (const auto& [key, value] : unit.items()) {
            if (!value.is_array()) continue;
            for (const std::string& other : names_of(unit, key)) {
                relations.edges_.push_back({name, key, other});
            }
        }
    }
    std::ranges::sort(relations.edges_);
    return relations;
}

std::vector<Edge> Relations::pulls(std::string_view unit, bool reverse) const {
    std::vector<Edge> found;
    for (const Edge& edge : edges_) {
        const bool pulls = std::ranges::find(kPulling, edge.key) != std::end(kPulling);
        if (pulls && (reverse ? edge.to : edge.from) == unit) found.push_back(edge);
    }
    return found;
}

bool Relations::is_target(const std::string& unit) const {
    const auto found = targets_.find(unit);
    return found != targets_.end() && found->second;
}

std::vector<std::string> Relations::names() const {
    std::vector<std::string> names;
    for (const auto& [name, target] : targets_) names.push_back(name);
    return names;
}

Result<Units> ask_for_units(const Context& context) {
    TRY(control::Answer answer, ask(context, "Status", {{"units", Json::array()}}));
    Units units;
    for (Json& unit : answer.reply.parameters["units"]) units[unit.value("name", "")] = unit;
    return units;
}

std::string field_of(const Units& units, const std::string& unit, const char* field) {
    const auto found = units.find(unit);
    if (found == units.end()) return "";
    const auto value = found->second.find(field);
    const bool is_text = value != found->second.end() && value->is_string();
    return is_text ? printable(value->get<std::string>()) : "";
}

}  // namespace jailsvc::ctl
