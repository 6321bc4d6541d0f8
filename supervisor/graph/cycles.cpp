#include "graph/cycles.hpp"

#include <algorithm>
#include <limits>

namespace jailsvc::graph {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

/// Tarjan's strongly connected components with a stack of our own: a chain of dependencies may be
/// as long as there are units, which the call stack need not bear.
class Components {
public:
    explicit Components(const Order& edges)
        : edges_(edges),
          index_(edges.size(), kNone),
          low_(edges.size(), 0),
          component_(edges.size(), kNone) {
        for (std::size_t node = 0; node < edges.size(); ++node) {
            if (index_[node] == kNone) visit(node);
        }
    }
    /// Components are numbered so that a node's edges lead to its own or a smaller number.
    [[nodiscard]] const std::vector<std::size_t>& of() const { return component_; }
    [[nodiscard]] const std::vector<std::size_t>& order() const { return order_; }

private:
    struct Frame {
        std::size_t node;
        std::size_t next_edge;
    };

    void visit(std::size_t root) {
        enter(root);
        while (!frames_.empty()) {
            Frame& frame = frames_.back();
            if (frame.next_edge < edges_[frame.node].size()) {
                follow(frame.node, edges_[frame.node][frame.next_edge++]);
            } else {
                leave();
            }
        }
    }

    void enter(std::size_t node) {
        index_[node] = low_[node] = counter_++;
        stack_.push_back(node);
        frames_.push_back({node, 0});
    }

    void follow(std::size_t from, std::size_t to) {
        if (index_[to] == kNone) {
            enter(to);
        } else if (component_[to] == kNone) {
            low_[from] = std::min(low_[from], index_[to]);
        }
    }

    void leave() {
        const std::size_t node = frames_.back().node;
        frames_.pop_back();
        if (!frames_.empty()) {
            const std::size_t parent = frames_.back().node;
            low_[parent] = std::min(low_[parent], low_[node]);
        }
        if (low_[node] != index_[node]) return;
        std::size_t member = kNone;
        do {
            member = stack_.back();
            stack_.pop_back();
            component_[member] = components_;
            order_.push_back(member);
        } while (member != node);
        ++components_;
    }

    const Order& edges_;
    std::vector<std::size_t> index_, low_, component_, stack_, order_;
    std::vector<Frame> frames_;
    std::size_t counter_ = 0;
    std::size_t components_ = 0;
};

/// Shortest way from `start` back to itself inside its component; empty if there is none.
std::vector<std::size_t> way_back(const Order& edges, const std::vector<std::size_t>& component,
                                  std::size_t start) {
    std::vector<std::size_t> came_from(edges.size(), kNone);
    std::vector<std::size_t> queue{start};
    for (std::size_t head = 0; head < queue.size(); ++head) {
        const std::size_t node = queue[head];
        for (const std::size_t to : edges[node]) {
            if (to == start) {
                std::vector<std::size_t> path;
                for (std::size_t at = node; at != start; at = came_from[at]) path.push_back(at);
                path.push_back(start);
                std::reverse(path.begin(), path.end());
                return path;
            }
            if (component[to] != component[start] || came_from[to] != kNone) continue;
            came_from[to] = node;
            queue.push_back(to);
        }
    }
    return {};
}

}  // namespace

Sorted sort(const Order& edges) {
    const Components components(edges);
    std::vector<std::size_t> size(edges.size(), 0);
    for (const std::size_t component : components.of()) ++size[component];

    Sorted sorted{components.order(), std::vector<std::vector<std::size_t>>(edges.size())};
    for (std::size_t node = 0; node < edges.size(); ++node) {
        const bool loops = std::ranges::find(edges[node], node) != edges[node].end();
        if (size[components.of()[node]] < 2 && !loops) continue;
        if (!sorted.cycle[node].empty()) continue;  // lies on a cycle found already
        auto path = way_back(edges, components.of(), node);
        std::rotate(path.begin(), std::ranges::min_element(path), path.end());
        for (const std::size_t member : path) {
            if (sorted.cycle[member].empty()) sorted.cycle[member] = path;
        }
    }
    return sorted;
}

}  // namespace jailsvc::graph
