#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "commands.hpp"
#include "dependencies.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::string_view kStart = "default";

/// Draws what hangs on a unit, each below what it hangs on.
class Tree {
public:
    Tree(const Relations& relations, const Units& units, bool reverse)
        : relations_(relations), units_(units), reverse_(reverse) {}

    void print(const std::string& root) {
        std::printf("%s\n", line(root, "").c_str());
        below(root, "");
    }

private:
    void below(const std::string& unit, const std::string& indent) {
        // What was drawn once is not drawn again: a net has more paths than anybody can read.
        if (!drawn_.insert(unit).second) return;
        const auto edges = relations_.pulls(unit, reverse_);
        for (const Edge& edge : edges) {
            const bool last = &edge == &edges.back();
            const std::string& other = reverse_ ? edge.from : edge.to;
            const bool again = drawn_.contains(other) && !relations_.pulls(other, reverse_).empty();
            std::printf("%s%s %s%s\n", indent.c_str(), last ? "└─" : "├─",
                        line(other, edge.key).c_str(), again ? ", see above" : "");
            below(other, indent + (last ? "   " : "│  "));
        }
    }

    [[nodiscard]] std::string line(const std::string& unit, const std::string& key) const {
        std::string state = field_of(units_, unit, "state");
        if (state.empty()) state = "not there";
        return key.empty() ? fmt::format("{} ({})", printable(unit), state)
                           : fmt::format("{} ({}), {}", printable(unit), state, key);
    }

    const Relations& relations_;
    const Units& units_;
    bool reverse_;
    std::set<std::string> drawn_;
};

/// All edges on the way from the unit.
Json reached(const Relations& relations, const std::string& root, bool reverse) {
    Json list = Json::array();
    std::set<std::string> seen{root};
    std::vector<std::string> open{root};
    while (!open.empty()) {
        const std::string unit = open.back();
        open.pop_back();
        for (const Edge& edge : relations.pulls(unit, reverse)) {
            list.push_back({{"from", edge.from}, {"key", edge.key}, {"to", edge.to}});
            const std::string& other = reverse ? edge.from : edge.to;
            if (seen.insert(other).second) open.push_back(other);
        }
    }
    return list;
}

}  // namespace

int run_list_dependencies(const Context& context, const DependenciesOptions& options) {
    // Asked for by name, so that one that is unknown is told with the nearest.
    const auto known = ask(context, "Dependencies", {{"units", {options.unit}}});
    if (!known) {
        if (options.unit == kStart && known.error().code == kNoSuchUnit) {
            return report(context,
                          {"no unit is wanted by \"default\", which is what starts with the "
                           "supervisor; name a unit",
                           kNoSuchUnit});
        }
        return report(context, known.error());
    }
    const auto relations = Relations::ask_for(context);
    if (!relations) return report(context, relations.error());
    if (context.json) {
        print_json({{"dependencies", reached(*relations, options.unit, options.reverse)}});
        return kOk;
    }
    const auto units = ask_for_units(context);
    if (!units) return report(context, units.error());
    Tree(*relations, *units, options.reverse).print(options.unit);
    return kOk;
}

}  // namespace jailsvc::ctl
