#include "graph/graph.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "graph/cycles.hpp"

namespace jailsvc::graph {
namespace {

using Node = Graph::Node;
using Nodes = std::map<std::string, Node, std::less<>>;
using Names = std::vector<std::string>;

void sort_unique(Names& names) {
    std::ranges::sort(names);
    const auto tail = std::ranges::unique(names);
    names.erase(tail.begin(), tail.end());
}

bool contains(const auto& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

/// The names among `wanted` that exist; once each.
Names known(const Nodes& nodes, const List<std::string>& wanted) {
    Names found;
    for (const std::string& name : wanted) {
        if (nodes.contains(name)) found.push_back(name);
    }
    sort_unique(found);
    return found;
}

void add_relations(Nodes& nodes, const config::Unit& unit, const Faults& faults) {
    Node& node = nodes.at(unit.name);
    node.binds_to = known(nodes, unit.unit.binds_to);
    node.requires_ = known(nodes, unit.unit.requires_);
    node.requires_.insert(node.requires_.end(), node.binds_to.begin(), node.binds_to.end());
    sort_unique(node.requires_);
    node.wants = known(nodes, unit.unit.wants);
    node.part_of = known(nodes, unit.unit.part_of);
    node.conflicts = known(nodes, unit.unit.conflicts);
    if (unit.unit.masked) {
        node.broken = "is masked; `jailsvc unmask " + unit.name + "` lifts that";
    }
    const auto check = [&](const std::string& verb, const List<std::string>& names) {
        for (const std::string& name : names) {
            if (!node.broken.empty()) return;
            if (!nodes.contains(name)) {
                node.broken = missing_requirement(verb, name, faults);
            } else if (contains(unit.unit.conflicts, name)) {
                node.broken = verb + name + " and conflicts with it; drop one of the two";
            }
        }
    };
    check("requires ", unit.unit.requires_);
    check("binds to ", unit.unit.binds_to);
    std::erase(node.conflicts, unit.name);
}

/// `after` of every unit from after, before, requires and a target's wants.
void add_order(Nodes& nodes, const std::vector<const config::Unit*>& units) {
    for (const config::Unit* unit : units) {
        Node& node = nodes.at(unit->name);
        for (const auto* names : {&unit->unit.requires_, &unit->unit.binds_to, &unit->unit.after}) {
            const Names found = known(nodes, *names);
            node.after.insert(node.after.end(), found.begin(), found.end());
        }
        for (const std::string& later : known(nodes, unit->unit.before)) {
            nodes.at(later).after.push_back(unit->name);
        }
    }
    for (auto& [name, node] : nodes) sort_unique(node.after);
    for (const config::Unit* unit : units) {
        if (!unit->is_target) continue;
        Node& node = nodes.at(unit->name);
        for (const std::string& wanted : node.wants) {
            if (!contains(nodes.at(wanted).after, unit->name)) node.after.push_back(wanted);
        }
        sort_unique(node.after);
    }
}

Order numbered(const Nodes& nodes) {
    std::map<std::string_view, std::size_t> number;
    for (const auto& [name, node] : nodes) number.emplace(name, number.size());
    Order order;
    order.reserve(nodes.size());
    for (const auto& [name, node] : nodes) {
        auto& edges = order.emplace_back();
        for (const std::string& earlier : node.after) edges.push_back(number.at(earlier));
    }
    return order;
}

std::string tell(const std::vector<std::size_t>& cycle,
                 const std::vector<std::string_view>& names) {
    std::string text = "cycle: ";
    for (const std::size_t member : cycle) text.append(names[member]).append(" -> ");
    return text.append(names[cycle.front()]).append("; drop one of these dependencies");
}

/// Ranks the nodes and marks those on a cycle.
void rank(Nodes& nodes) {
    const Sorted sorted = sort(numbered(nodes));
    std::vector<std::string_view> names;
    std::vector<Node*> by_number;
    for (auto& [name, node] : nodes) {
        names.push_back(name);
        by_number.push_back(&node);
    }
    for (std::size_t place = 0; place < sorted.order.size(); ++place) {
        by_number[sorted.order[place]]->rank = place;
    }
    for (std::size_t number = 0; number < by_number.size(); ++number) {
        if (sorted.cycle[number].empty()) continue;
        by_number[number]->broken = tell(sorted.cycle[number], names);
    }
}

void add_reverse(Nodes& nodes) {
    for (const auto& [name, node] : nodes) {
        for (const auto& other : node.requires_) nodes.at(other).required_by.push_back(name);
        for (const auto& other : node.wants) nodes.at(other).wanted_by.push_back(name);
        for (const auto& other : node.binds_to) nodes.at(other).bound_by.push_back(name);
        for (const auto& other : node.part_of) nodes.at(other).parts.push_back(name);
        for (const auto& other : node.conflicts) nodes.at(other).conflicted_by.push_back(name);
        for (const auto& other : node.after) nodes.at(other).before.push_back(name);
    }
}

/// What requires a broken unit is broken. Needs the reverse edges.
void spread_broken(Nodes& nodes) {
    std::vector<std::string_view> queue;
    for (const auto& [name, node] : nodes) {
        if (!node.broken.empty()) queue.emplace_back(name);
    }
    for (std::size_t head = 0; head < queue.size(); ++head) {
        const std::string_view name = queue[head];
        const Node& node = nodes.find(name)->second;
        for (const std::string& dependent : node.required_by) {
            const auto found = nodes.find(dependent);
            if (!found->second.broken.empty()) continue;
            found->second.broken =
                "requires " + std::string(name) + ", which cannot start: " + node.broken;
            queue.emplace_back(found->first);
        }
    }
}

/// A unit that can never come up is nothing to wait for and nothing to pull in.
void drop_weak_edges_to_broken(Nodes& nodes) {
    const auto is_broken = [&](const std::string& name) { return !nodes.at(name).broken.empty(); };
    for (auto& [name, node] : nodes) {
        if (!node.broken.empty()) continue;
        std::erase_if(node.wants, is_broken);
        std::erase_if(node.after, is_broken);
    }
}

/// What follows from the relations of the nodes and their order.
void complete(Nodes& nodes) {
    rank(nodes);
    add_reverse(nodes);
    spread_broken(nodes);
    drop_weak_edges_to_broken(nodes);
    for (auto& [name, node] : nodes) {
        for (Names* names : {&node.required_by, &node.wanted_by, &node.bound_by, &node.parts,
                             &node.conflicted_by, &node.before}) {
            names->clear();
        }
    }
    add_reverse(nodes);
}

}  // namespace

std::string missing_requirement(const std::string& verb, const std::string& name,
                                const Faults& faults) {
    const auto fault = faults.find(name);
    if (fault == faults.end()) {
        return verb + name + ", which does not exist; add it or drop the line";
    }
    return verb + name + ", whose file has errors: " + fault->second;
}

std::array<const List<std::string>*, 7> relations_of(const config::UnitTable& unit) {
    return {&unit.requires_, &unit.wants,  &unit.binds_to, &unit.part_of,
            &unit.after,     &unit.before, &unit.conflicts};
}

Graph Graph::build(const std::vector<const config::Unit*>& units, const Faults& faults) {
    Graph graph;
    Nodes& nodes = graph.nodes_;
    for (const config::Unit* unit : units) nodes.try_emplace(unit->name);
    for (const config::Unit* unit : units) add_relations(nodes, *unit, faults);
    add_order(nodes, units);
    complete(nodes);
    return graph;
}

Graph Graph::around(const config::Unit& unit, const Known& known, const Faults& faults) {
    Graph graph;
    Nodes& nodes = graph.nodes_;
    for (const auto* names : relations_of(unit.unit)) {
        for (const std::string& name : *names) {
            if (const std::string* broken = known(name)) nodes[name].broken = *broken;
        }
    }
    nodes.try_emplace(unit.name);
    add_relations(nodes, unit, faults);
    add_order(nodes, {&unit});
    complete(nodes);
    return graph;
}

const Graph::Node* Graph::find(std::string_view unit) const {
    const auto found = nodes_.find(unit);
    return found == nodes_.end() ? nullptr : &found->second;
}

std::vector<const std::pair<const std::string, Graph::Node>*> Graph::closure(std::string_view unit,
                                                                             Edges first,
                                                                             Edges second) const {
    std::vector<const std::pair<const std::string, Node>*> members;
    std::set<std::string_view> seen;
    const auto visit = [&](std::string_view name) {
        const auto found = nodes_.find(name);
        if (found != nodes_.end() && seen.insert(found->first).second) members.push_back(&*found);
    };
    visit(unit);
    for (std::size_t head = 0; head < members.size(); ++head) {
        const Node& node = members[head]->second;
        for (const std::string& name : node.*first) visit(name);
        for (const std::string& name : node.*second) visit(name);
    }
    std::ranges::sort(members, {}, [](const auto* member) { return member->second.rank; });
    return members;
}

std::vector<std::string> Graph::start_order(std::string_view unit) const {
    std::vector<std::string> names;
    for (const auto* member : closure(unit, &Node::requires_, &Node::wants)) {
        names.push_back(member->first);
    }
    return names;
}

std::vector<std::string> Graph::stop_order(std::string_view unit) const {
    std::vector<std::string> names;
    for (const auto* member : closure(unit, &Node::required_by, &Node::parts)) {
        names.push_back(member->first);
    }
    std::ranges::reverse(names);
    return names;
}

}  // namespace jailsvc::graph
