#include "graph/graph.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using namespace jailsvc;
using graph::Graph;

namespace {

using Names = std::vector<std::string>;

config::Unit unit(std::string name, Names requires_ = {}) {
    config::Unit made;
    made.name = std::move(name);
    made.unit.requires_ = std::move(requires_);
    return made;
}

Graph build(const std::vector<config::Unit>& units) {
    std::vector<const config::Unit*> pointers;
    for (const auto& one : units) pointers.push_back(&one);
    return Graph::build(pointers);
}

std::string number(std::size_t at) {
    return std::string("u").append(std::to_string(100 + at));
}

/// The simple truth: whether `to` can be reached from `from` along at least one edge.
bool reaches(const std::vector<std::vector<std::size_t>>& edges, std::size_t from, std::size_t to) {
    std::vector<bool> seen(edges.size());
    std::vector<std::size_t> queue = edges[from];
    while (!queue.empty()) {
        const std::size_t node = queue.back();
        queue.pop_back();
        if (node == to) return true;
        if (seen[node]) continue;
        seen[node] = true;
        queue.insert(queue.end(), edges[node].begin(), edges[node].end());
    }
    return false;
}

}  // namespace

TEST_CASE("graph: requires implies order, both ways", "[graph][S0.5]") {
    const Graph graph = build({unit("web", {"api"}), unit("api", {"db"}), unit("db")});
    CHECK(graph.start_order("web") == Names{"db", "api", "web"});
    CHECK(graph.stop_order("db") == Names{"web", "api", "db"});
    CHECK(graph.find("api")->after == Names{"db"});
    CHECK(graph.find("nobody") == nullptr);
}

TEST_CASE("graph: a cycle is named by its path and breaks only what lies on it or requires it",
          "[graph]") {
    auto wants = unit("wants");
    wants.unit.wants = {"a"};
    auto later = unit("later");
    later.unit.after = {"b"};
    const Graph graph = build({unit("a", {"b"}), unit("b", {"c"}), unit("c", {"a"}),
                               unit("needs", {"a"}), wants, later, unit("other")});
    for (const char* name : {"a", "b", "c"}) {
        CHECK(graph.find(name)->broken ==
              "cycle: a -> b -> c -> a; drop one of these dependencies");
    }
    CHECK(
        graph.find("needs")->broken ==
        "requires a, which cannot start: cycle: a -> b -> c -> a; drop one of these dependencies");
    for (const char* name : {"wants", "later", "other"}) CHECK(graph.find(name)->broken.empty());
    CHECK(graph.find("later")->after.empty());
    CHECK(graph.start_order("wants") == Names{"wants"});
}

TEST_CASE("graph: a unit that comes after itself is a cycle of one", "[graph]") {
    auto self = unit("self");
    self.unit.before = {"self"};
    CHECK(build({self}).find("self")->broken ==
          "cycle: self -> self; drop one of these dependencies");
}

TEST_CASE("graph: what is missing breaks who requires it, not who wants it", "[graph]") {
    auto wants = unit("wants");
    wants.unit.wants = wants.unit.after = {"nobody"};
    const Graph graph = build({unit("needs", {"nobody"}), wants});
    CHECK(graph.find("needs")->broken ==
          "requires nobody, which does not exist; add it or drop the line");
    CHECK(graph.find("wants")->broken.empty());
}

TEST_CASE("graph: a target comes after what it wants, unless that comes after it", "[graph]") {
    auto target = unit("all");
    target.is_target = true;
    target.unit.wants = {"first", "last"};
    auto last = unit("last");
    last.unit.after = {"all"};
    const Graph graph = build({target, unit("first"), last});
    CHECK(graph.find("all")->after == Names{"first"});
    CHECK(graph.find("all")->broken.empty());
}

TEST_CASE("graph: a chain as long as there may be units is no strain", "[graph]") {
    std::vector<config::Unit> units{unit(number(0))};
    for (std::size_t at = 1; at < 16384; ++at) {
        units.push_back(unit(number(at), {number(at - 1)}));
    }
    const Graph graph = build(units);
    CHECK(graph.start_order(number(16383)).size() == units.size());
    CHECK(graph.find(number(16383))->rank == 16383);
}

TEST_CASE("graph: random graphs are broken exactly where a cycle is required", "[graph]") {
    std::mt19937 random(20240607);
    for (int round = 0; round < 300; ++round) {
        const std::size_t size = 2 + random() % 9;
        const std::size_t density = 1 + random() % 6;
        std::vector<config::Unit> units;
        std::vector<std::vector<std::size_t>> order(size), needs(size);
        for (std::size_t at = 0; at < size; ++at) {
            units.push_back(unit(number(at)));
            for (std::size_t to = 0; to < size; ++to) {
                if (to == at || random() % 12 >= density) continue;
                const bool required = random() % 2 == 0;
                (required ? units[at].unit.requires_ : units[at].unit.after).push_back(number(to));
                order[at].push_back(to);
                if (required) needs[at].push_back(to);
            }
        }
        const Graph graph = build(units);
        std::vector<bool> cyclic(size);
        for (std::size_t at = 0; at < size; ++at) cyclic[at] = reaches(order, at, at);
        for (std::size_t at = 0; at < size; ++at) {
            bool broken = cyclic[at];
            for (std::size_t to = 0; to < size; ++to) {
                broken = broken || (cyclic[to] && reaches(needs, at, to));
            }
            const Graph::Node& node = *graph.find(number(at));
            REQUIRE(node.broken.empty() == !broken);
            REQUIRE((node.broken.starts_with("cycle: ") == cyclic[at]));
            if (broken) continue;
            for (const auto& before : node.after) {
                REQUIRE(graph.find(before)->rank < node.rank);
            }
        }
    }
}

TEST_CASE("graph: a requirement whose file has errors is told with them", "[graph]") {
    config::Unit web;
    web.name = "web";
    web.unit.requires_ = {"db"};
    const auto broken = [&](const graph::Faults& faults) {
        return graph::Graph::build({&web}, faults).find("web")->broken;
    };
    CHECK(broken({{"db", "db.toml:3:1: oops"}}) ==
          "requires db, whose file has errors: db.toml:3:1: oops");
    CHECK(broken({{"other", "oops"}}) ==
          "requires db, which does not exist; add it or drop the line");
}

TEST_CASE("graph: a masked unit is started by nobody, and says so", "[graph]") {
    auto masked = unit("db");
    masked.unit.masked = true;
    auto wanting = unit("late");
    wanting.unit.wants = Names{"db"};
    const Graph graph = build({unit("web", {"db"}), masked, wanting});
    CHECK(graph.find("db")->broken == "is masked; `jailsvc unmask db` lifts that");
    CHECK(graph.find("web")->broken ==
          "requires db, which cannot start: is masked; `jailsvc unmask db` lifts that");
    CHECK(graph.start_order("late") == Names{"late"});
}

TEST_CASE("graph: around a unit that nobody names is what all of them together give", "[graph]") {
    const auto seed = Catch::rngSeed();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
    };
    std::size_t broken = 0;
    for (int round = 0; round < 2000; ++round) {
        std::vector<config::Unit> units;
        const std::size_t count = 1 + pick(6);
        const auto some = [&] {
            Names names;  // of units that exist, and of one that does not
            for (std::size_t k = pick(3); k > 0; --k) names.push_back(number(pick(count + 1)));
            return names;
        };
        for (std::size_t at = 0; at <= count; ++at) {
            auto& made = units.emplace_back(unit(at == count ? "new" : number(at), some()));
            made.unit.wants = some();
            made.unit.binds_to = pick(3) == 0 ? some() : Names();
            made.unit.part_of = some();
            made.unit.conflicts = pick(3) == 0 ? some() : Names();
            made.unit.after = some();
            made.unit.masked = pick(10) == 0;
            made.is_target = pick(4) == 0;
        }
        const Graph whole = build(units);
        const Graph before = build({units.begin(), units.end() - 1});
        const auto known = [&](std::string_view name) {
            const auto* node = before.find(name);
            return node == nullptr ? nullptr : &node->broken;
        };
        const Graph part = Graph::around(units.back(), known);
        const auto& expected = *whole.find("new");
        const auto& found = *part.find("new");
        CHECK(found.requires_ == expected.requires_);
        CHECK(found.wants == expected.wants);
        CHECK(found.binds_to == expected.binds_to);
        CHECK(found.part_of == expected.part_of);
        CHECK(found.conflicts == expected.conflicts);
        CHECK(found.after == expected.after);
        CHECK(found.before.empty());
        // Of several reasons it is one or the other.
        CHECK(found.broken.empty() == expected.broken.empty());
        broken += found.broken.empty() ? 0 : 1;
    }
    CHECK(broken > 200);
    CHECK(broken < 1800);
}
