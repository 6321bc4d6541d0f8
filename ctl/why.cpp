#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "commands.hpp"
#include "dependencies.hpp"
#include "text.hpp"
#include "unit_view.hpp"

namespace jailsvc::ctl {
namespace {

/// Follows what keeps a unit down to where it begins.
class Reasons {
public:
    Reasons(const Relations& relations, const Units& units)
        : relations_(relations), units_(units) {}

    /// One entry for each unit on the way, what is asked about first.
    Json of(const std::string& unit) {
        add(unit, "", 0);
        return std::exchange(chain_, Json::array());
    }

private:
    void add(const std::string& unit, const std::string& key, int depth) {
        if (!seen_.insert(unit).second) return;
        const auto found = units_.find(unit);
        Json entry{{"unit", unit}, {"key", key}, {"depth", depth}};
        entry["state"] = found == units_.end() ? "not there" : found->second.value("state", "");
        entry["because"] = field_of(units_, unit, "because");
        entry["errors"] =
            found == units_.end() ? Json::array() : found->second.value("errors", Json::array());
        chain_.push_back(std::move(entry));
        if (found != units_.end() && is_up(found->second)) return;
        for (const Edge& edge : relations_.pulls(unit, false)) {
            const auto other = units_.find(edge.to);
            const bool up = other != units_.end() && is_up(other->second);
            if (!up && edge.key != "wants") add(edge.to, edge.key, depth + 1);
        }
    }

    const Relations& relations_;
    const Units& units_;
    Json chain_ = Json::array();
    std::set<std::string> seen_;
};

std::string text_of(const Json& entry, const char* key) {
    return printable(entry.value(key, ""));
}

std::string line_of(const Json& entry) {
    const std::string unit = text_of(entry, "unit");
    const std::string key = text_of(entry, "key");
    const std::string because = text_of(entry, "because");
    const auto indent = static_cast<std::size_t>(entry.value("depth", 0)) * 2;
    std::string line(indent, ' ');
    if (!key.empty()) line += key + " ";
    line += fmt::format("{}: {}", unit, text_of(entry, "state"));
    if (entry["errors"].empty()) {
        return because.empty() ? line : line + ": " + with_hint(unit, because);
    }
    line += ": its file does not load";
    for (const Json& error : entry["errors"]) {
        line += "\n" + std::string(indent + 2, ' ') + printable_lines(error.get<std::string>());
    }
    return line;
}

/// Nothing stands in its way: it was not asked for.
std::string not_asked(const Relations& relations, const std::string& unit) {
    const auto pulled_by = relations.pulls(unit, true);
    if (pulled_by.empty()) {
        return fmt::format(
            "  nobody has asked for it, and no unit wants it; `jailsvc start {}` "
            "starts it",
            unit);
    }
    std::string names;
    for (const Edge& edge : pulled_by) names += fmt::format(" {} ({})", edge.from, edge.key);
    return fmt::format("  nobody has asked for it; it starts with{}, or by `jailsvc start {}`",
                       printable(names), unit);
}

}  // namespace

int run_why(const Context& context, const std::string& unit) {
    const auto asked = ask(context, "Status", {{"units", {unit}}});
    if (!asked) return report(context, asked.error());
    const auto relations = Relations::ask_for(context);
    if (!relations) return report(context, relations.error());
    const auto units = ask_for_units(context);
    if (!units) return report(context, units.error());
    const Json chain = Reasons(*relations, *units).of(unit);
    if (context.json) {
        print_json({{"reasons", chain}});
        return kOk;
    }
    for (const Json& entry : chain) std::puts(line_of(entry).c_str());
    const Json& first = chain.front();
    const bool silent = first["because"] == "" && first["errors"].empty();
    if (first["state"] == "inactive" && silent) {
        std::puts(not_asked(*relations, printable(unit)).c_str());
    }
    return kOk;
}

}  // namespace jailsvc::ctl
