#pragma once

#include <cstddef>
#include <vector>

namespace jailsvc::graph {

/// Edges by number: `edges[a]` lists every b that has to come before a.
using Order = std::vector<std::vector<std::size_t>>;

/// What an ordering allows. Time and space are linear in nodes and edges but for the paths, which
/// are searched for nodes on a cycle only.
struct Sorted {
    /// Every node, each after all that it points to; nodes on a cycle stand in no particular order.
    std::vector<std::size_t> order;
    /// For a node on a cycle a shortest such cycle, beginning with its smallest number; else empty.
    std::vector<std::vector<std::size_t>> cycle;
};
[[nodiscard]] Sorted sort(const Order& edges);

}  // namespace jailsvc::graph
