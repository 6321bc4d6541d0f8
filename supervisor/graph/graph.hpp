#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/unit.hpp"

namespace jailsvc::graph {

/// What is wrong with the files of units that do not load, by their names; one line each.
using Faults = std::map<std::string, std::string, std::less<>>;

/// Why a unit that requires `name` cannot start when there is no such unit.
[[nodiscard]] std::string missing_requirement(const std::string& verb, const std::string& name,
                                              const Faults& faults);

/// The lists of a unit that name its neighbours in the graph.
[[nodiscard]] std::array<const List<std::string>*, 7> relations_of(const config::UnitTable& unit);

/// Dependencies of a set of units, with the reverse edges, checked. Pure; built anew at each load.
///
/// `requires` implies `after` (docs/adr/0002-requires-implies-order.md). A target is also after
/// what it wants, unless that unit says that it comes after the target.
class Graph {
public:
    /// Units that lie on an ordering cycle, or require one that does not exist, are marked broken
    /// with the reason ("cycle: a -> b -> a", read "a comes after b"); units that require a broken
    /// one too. So is a masked unit. Others are not affected: an edge of `wants` or order to a
    /// broken or absent unit is left out. The units must have different names.
    /// `faults` say of units that are not among them what is wrong with their files.
    [[nodiscard]] static Graph build(const std::vector<const config::Unit*>& units,
                                     const Faults& faults = {});

    /// nullptr: there is no such unit. Else why it cannot be started; empty: it can.
    using Known = std::function<const std::string*(std::string_view unit)>;
    /// The part of the graph of all that a unit adds to it which no other unit names and which
    /// names none in `before`: no other unit's order depends on it. At the price of its neighbours.
    [[nodiscard]] static Graph around(const config::Unit& unit, const Known& known,
                                      const Faults& faults = {});

    struct Node {
        std::vector<std::string> requires_, wants, part_of, conflicts;  ///< requires: binds_to too
        std::vector<std::string> binds_to;
        std::vector<std::string> after;  ///< to be up (or settled) before this one starts
        std::vector<std::string> required_by, wanted_by, bound_by, before, parts, conflicted_by;
        std::string broken;    ///< why it cannot be started; empty: it can
        std::size_t rank = 0;  ///< larger than that of every unit in `after`
    };
    [[nodiscard]] const Node* find(std::string_view unit) const;

    /// The unit and all that it pulls in (requires, wants), dependencies first.
    [[nodiscard]] std::vector<std::string> start_order(std::string_view unit) const;
    /// The unit and all that must go down with it (required_by, parts), dependents first.
    [[nodiscard]] std::vector<std::string> stop_order(std::string_view unit) const;

private:
    using Edges = std::vector<std::string> Node::*;
    [[nodiscard]] std::vector<const std::pair<const std::string, Node>*> closure(
        std::string_view unit, Edges first, Edges second) const;

    std::map<std::string, Node, std::less<>> nodes_;
};

}  // namespace jailsvc::graph
