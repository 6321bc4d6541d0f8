#include "engine/naming.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "config/names.hpp"
#include "config/nearest.hpp"
#include "control/varlink.hpp"

namespace jailsvc::engine {
namespace {

using control::Json;
using control::Reply;
using Strings = std::vector<std::string>;

constexpr std::size_t kMaxUnitsPerCall = 4096;
/// Comparing a name with all there are takes time; who misspells more names than this needs a list.
constexpr std::size_t kMaxHints = 8;

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

bool is_one_of(const std::vector<config::Template>& templates, const std::string& name) {
    return std::ranges::find(templates, name, &config::Template::name) != templates.end();
}

}  // namespace

Naming::Answered<bool> flag(const Json& parameters, const char* name) {
    const auto found = parameters.find(name);
    if (found == parameters.end() || found->is_null()) return false;
    if (!found->is_boolean()) return std::unexpected(control::invalid_parameter(name));
    return found->get<bool>();
}

std::string Naming::nearest_to(const std::string& unit) const {
    Strings known = manager_.names();
    for (const config::Template& one : elsewhere_.templates()) known.push_back(one.name);
    return config::nearest(unit, known);
}

void Naming::load_missing(const Strings& units) {
    if (!may_load_) return;
    Strings missing;
    for (const std::string& unit : units) {
        const bool is_instance = config::is_unit_name(unit) &&
                                 unit.find('@') != std::string::npos &&
                                 !config::is_connection_name(unit);
        if (is_instance && manager_.find(unit) == nullptr) missing.push_back(unit);
    }
    std::ranges::sort(missing);
    const auto twice = std::ranges::unique(missing);
    missing.erase(twice.begin(), twice.end());
    if (!missing.empty()) elsewhere_.load_instances(missing);
}

std::optional<Naming::Fault> Naming::fault_of(const std::string& unit, Hint hint) const {
    if (manager_.find(unit) != nullptr) return std::nullopt;
    if (const auto* errors = elsewhere_.file_errors(unit)) {
        return Fault{.kind = Fault::Kind::kErrors, .unit = unit, .nearest = {}, .errors = *errors};
    }
    if (is_one_of(elsewhere_.templates(), unit)) {
        return Fault{.kind = Fault::Kind::kTemplate, .unit = unit, .nearest = {}, .errors = {}};
    }
    const bool sensible = config::is_unit_name(unit) || config::is_template_name(unit);
    const bool compared = sensible && hint == Hint::kWanted;
    return Fault{
        .unit = unit, .nearest = compared ? nearest_to(unit) : std::string(), .errors = {}};
}

Reply Naming::reply_of(const Fault& fault) {
    switch (fault.kind) {
        case Fault::Kind::kErrors:
            return control::error_reply("InvalidUnit",
                                        {{"unit", fault.unit}, {"errors", fault.errors}});
        case Fault::Kind::kTemplate:
            return control::error_reply("IsTemplate", {{"unit", fault.unit}});
        case Fault::Kind::kUnknown:
            break;
    }
    const Json nearest = fault.nearest.empty() ? Json() : Json(fault.nearest);
    return control::error_reply("NoSuchUnit", {{"unit", fault.unit}, {"nearest", nearest}});
}

UnitOutcome Naming::outcome_of(const Fault& fault) {
    switch (fault.kind) {
        case Fault::Kind::kErrors:
            return {fault.unit, "refused",
                    "its file has errors: " +
                        (fault.errors.empty() ? "see the log" : first_line(fault.errors.front()))};
        case Fault::Kind::kTemplate:
            return {fault.unit, "unknown",
                    fmt::format("a template; name an instance of it, as in \"{}1\"", fault.unit)};
        case Fault::Kind::kUnknown:
            break;
    }
    return {fault.unit, "unknown",
            fault.nearest.empty()
                ? "there is no such unit; see `jailsvc list`"
                : fmt::format("there is no such unit; did you mean \"{}\"?", fault.nearest)};
}

Naming::Answered<Strings> Naming::names(const Json& parameters) const {
    const auto found = parameters.find("units");
    if (found == parameters.end() || found->is_null()) return Strings();
    if (!found->is_array()) return std::unexpected(control::invalid_parameter("units"));
    if (found->size() > kMaxUnitsPerCall) {
        return std::unexpected(control::error_reply(
            "LimitReached",
            {{"what", fmt::format("more than {} units in a call; name fewer", kMaxUnitsPerCall)}}));
    }
    Strings names;
    for (const Json& name : *found) {
        if (!name.is_string()) return std::unexpected(control::invalid_parameter("units"));
        names.push_back(elsewhere_.own_name(name.get<std::string>()));
    }
    return names;
}

Naming::Answered<std::pair<std::string, std::optional<Reply>>> Naming::logged(
    const Json& parameters) {
    const auto found = parameters.find("unit");
    if (found == parameters.end() || !found->is_string()) {
        return std::unexpected(control::invalid_parameter("unit"));
    }
    auto name = elsewhere_.own_name(found->get<std::string>());
    load_missing({name});
    std::optional<Reply> refusal;
    if (const auto fault = fault_of(name)) refusal = reply_of(*fault);
    return std::pair{std::move(name), std::move(refusal)};
}

Naming::Answered<std::string> Naming::unit(const Json& parameters) {
    auto named = logged(parameters);
    if (!named) return std::unexpected(std::move(named).error());
    if (named->second) return std::unexpected(std::move(*named->second));
    return std::move(named->first);
}

Naming::Answered<std::vector<UnitOutcome>> Naming::units(const Json& parameters) {
    const auto given = names(parameters);
    if (!given) return std::unexpected(given.error());
    if (given->empty()) return std::unexpected(control::invalid_parameter("units"));
    load_missing(*given);
    std::vector<UnitOutcome> outcomes;
    std::size_t unknown = 0;
    for (const std::string& name : *given) {
        const auto fault = fault_of(name, unknown < kMaxHints ? Hint::kWanted : Hint::kNone);
        if (fault) ++unknown;
        if (fault && given->size() == 1) return std::unexpected(reply_of(*fault));
        outcomes.push_back(fault ? outcome_of(*fault) : UnitOutcome{name, "", ""});
    }
    return outcomes;
}

Naming::Answered<Strings> Naming::units_to_show(const Json& parameters) {
    auto given = names(parameters);
    if (!given) return given;
    if (given->empty()) {
        *given = manager_.names();
        std::ranges::move(elsewhere_.broken_units(), std::back_inserter(*given));
        std::ranges::sort(*given);
        return given;
    }
    load_missing(*given);
    for (const std::string& name : *given) {
        const auto fault = fault_of(name);
        const bool shown =
            !fault || (fault->kind == Fault::Kind::kErrors && !config::is_template_name(name));
        if (!shown) return std::unexpected(reply_of(*fault));
    }
    return given;
}

Json Naming::templates() const {
    auto list = Json::array();
    const Strings units = manager_.names();
    for (const config::Template& one : elsewhere_.templates()) {
        const auto is_instance = [&](const std::string& unit) {
            return unit.starts_with(one.name);
        };
        const Strings* errors = elsewhere_.file_errors(one.name);
        list.push_back({{"name", one.name},
                        {"description", one.description},
                        {"file", one.file},
                        {"instances", std::ranges::count_if(units, is_instance)},
                        {"errors", errors == nullptr ? Strings() : *errors}});
    }
    return list;
}

}  // namespace jailsvc::engine
