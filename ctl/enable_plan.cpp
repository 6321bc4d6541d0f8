// What `jailsvc enable` and its like write: decided here, done in enable.cpp.

#include <fmt/format.h>

#include "enable.hpp"

namespace jailsvc::ctl {
namespace {

using Names = std::vector<std::string>;

Names wanted_by(const Json& unit, const char* facts) {
    return unit.at(facts).at("wanted_by").get<Names>();
}

bool is_masked(const Json& unit, const char* facts) {
    return unit.at(facts).at("masked").get<bool>();
}

/// Whether the files say so; an instance is not loaded for that alone.
bool says_enabled(const Json& unit, const char* facts) {
    return unit.at(facts).at("enabled").get<bool>() && !wanted_by(unit, facts).empty();
}

bool is_instance(const Json& unit) {
    return unit.at("kind") == "instance";
}

std::string header(std::string_view verb, const Json& unit) {
    const auto name = unit.at("name").get<std::string>();
    return fmt::format(
        "# Written by `jailsvc {0}`, which writes it anew or removes it; what you have "
        "to say\n# belongs in another file: `jailsvc edit {1}`.\n",
        verb, name);
}

SiteChange write_enabled(const Json& unit, const Names& by) {
    std::string text = header("enable", unit) + "[install]\nenabled = true\n";
    // Names of units have no character that TOML would want escaped.
    if (!by.empty()) text += fmt::format("wanted_by = {}\n", Json(by).dump());
    return {SiteChange::What::kWrite, text};
}

Result<SiteChange> plan_enable(const Json& unit, const Names& by) {
    const auto name = unit.at("name").get<std::string>();
    if (!unit.at("loads").get<bool>()) {
        return fail(name + ": its file cannot be read; `jailsvc verify " +
                        unit.at("file").get<std::string>() + "` says why",
                    kNotConfigured);
    }
    const Names now = wanted_by(unit, "now");
    if (by.empty() && now.empty()) {
        return fail(fmt::format("{0}: nothing wants it: it has no [install] wanted_by; say what is "
                                "to start it: jailsvc enable {0} --by default",
                                name),
                    kFailure);
    }
    const bool by_same = by.empty() || by == now;
    if (by_same && says_enabled(unit, "now") && unit.at("listed").get<bool>()) return SiteChange{};
    const bool by_plain = by.empty() || by == wanted_by(unit, "plain");
    if (by_plain && says_enabled(unit, "plain") && !is_instance(unit)) {
        return SiteChange{SiteChange::What::kRemove, {}};
    }
    return write_enabled(unit, by);
}

SiteChange plan_disable(const Json& unit) {
    const bool loads = unit.at("loads").get<bool>();
    const bool is_enabled = says_enabled(unit, "now") && unit.at("listed").get<bool>();
    if (loads && !is_enabled) return {};
    if (loads && !says_enabled(unit, "plain")) return {SiteChange::What::kRemove, {}};
    return {SiteChange::What::kWrite, header("disable", unit) + "[install]\nenabled = false\n"};
}

SiteChange plan_mask(const Json& unit, bool masked) {
    const bool loads = unit.at("loads").get<bool>();
    if (loads && is_masked(unit, "now") == masked) return {};
    // Of a unit that does not load only this much is sure: without the file it says nothing of it.
    const bool plain = loads && is_masked(unit, "plain");
    if (plain == masked) return {SiteChange::What::kRemove, {}};
    return {SiteChange::What::kWrite, header(masked ? "mask" : "unmask", unit) +
                                          fmt::format("[unit]\nmasked = {}\n", masked)};
}

}  // namespace

std::string wanted_state(const Json& unit) {
    if (wanted_by(unit, "now").empty()) return "static";
    return says_enabled(unit, "now") && unit.at("listed").get<bool>() ? "enabled" : "disabled";
}

std::string install_state(const Json& unit) {
    return is_masked(unit, "now") ? "masked" : wanted_state(unit);
}

Result<SiteChange> plan_change(Verb verb, const Json& unit, const Names& by) {
    switch (verb) {
        case Verb::kEnable:
            return plan_enable(unit, by);
        case Verb::kDisable:
            return plan_disable(unit);
        case Verb::kMask:
            return plan_mask(unit, true);
        case Verb::kUnmask:
            return plan_mask(unit, false);
    }
    return SiteChange{};
}

}  // namespace jailsvc::ctl
