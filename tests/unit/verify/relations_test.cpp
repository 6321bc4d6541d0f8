#include "verify/relations.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "verify/weaknesses.hpp"

using namespace jailsvc;
using Names = std::vector<std::string>;

namespace {

config::Unit unit(const std::string& name, const Names& needs = {}) {
    config::Unit made;
    made.name = name;
    made.unit.requires_ = needs;
    return made;
}

verify::Known known(config::Unit unit) {
    verify::Known made{.unit = std::move(unit), .places = {}, .file = {}};
    made.file = made.unit.name + ".toml";
    std::uint32_t line = 1;
    for (const char* key : {"unit.after", "unit.before", "unit.conflicts", "unit.requires"}) {
        made.places[key] = {.file = made.file, .line = ++line, .column = 9};
    }
    return made;
}

/// What is told of the units, while `installed` lie where they can be looked up.
Names told(const std::vector<config::Unit>& units,
           const std::vector<config::Unit>& installed = {}) {
    std::vector<verify::Known> given;
    for (const auto& each : units) given.push_back(known(each));
    const auto lookup = [&](const std::string& name) -> config::Checked<config::Unit> {
        if (name == "bad") {
            return std::unexpected(config::Diagnostics{
                {.file = "bad.toml", .line = 3, .column = 1, .message = "oops"}});
        }
        for (const auto& each : installed) {
            if (each.name == name) return each;
        }
        return std::unexpected(config::Diagnostics{{.file = name, .message = "no such unit"}});
    };
    Names lines;
    for (const auto& each : verify::check_relations(given, lookup)) {
        lines.push_back(config::to_string(each));
    }
    return lines;
}

}  // namespace

TEST_CASE("verify: a requirement that is missing or does not load is told at its key", "[verify]") {
    CHECK(told({unit("web", {"db"})}) ==
          Names{"web.toml:5:9: requires: requires db, which does not exist; add it or drop the "
                "line"});
    CHECK(told({unit("web", {"bad"})}) ==
          Names{"web.toml:5:9: requires: requires bad, whose file has errors: bad.toml:3:1: oops"});
    CHECK(told({unit("web", {"db"}), unit("db")}).empty());
    CHECK(told({unit("web", {"db"})}, {unit("db")}).empty());
    auto wanting = unit("other");
    wanting.install.wanted_by = {"stage"};
    CHECK(told({unit("web", {"stage"}), wanting}).empty());
}

TEST_CASE("verify: what is needed is looked up as far as it goes", "[verify]") {
    const auto lines = told({unit("web", {"db"})}, {unit("db", {"disk"})});
    REQUIRE(lines.size() == 1);
    CHECK(lines[0] ==
          "web.toml:5:9: requires: requires db, which cannot start: requires disk, which does not "
          "exist; add it or drop the line");
}

TEST_CASE("verify: a cycle is told at the key of each unit that makes it", "[verify]") {
    const auto three = unit("three", {"two"});
    auto one = unit("one"), two = unit("two");
    one.unit.before = {"three"};
    two.unit.before = {"one"};
    two.unit.after = {"three"};
    const auto lines = told({one, two, three});
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].starts_with("one.toml:3:9: before: cycle: "));
    CHECK(lines[1].starts_with("two.toml:2:9: after: cycle: "));
    // Its own key leads elsewhere: that it comes after the first, the first says.
    CHECK(lines[2].starts_with("one.toml:3:9: before: cycle: "));
    two.unit.after = {};
    two.unit.before = {};
    CHECK(told({one, two, three}).empty());
}

TEST_CASE("verify: a cycle has the place of the key that makes it", "[verify]") {
    SECTION("a unit's other keys have no part in it") {
        auto one = unit("one", {"two"}), two = unit("two");
        one.unit.after = {"three"};
        auto three = unit("three");
        two.unit.after = {"one"};
        const auto lines = told({one, two, three});
        REQUIRE(lines.size() == 2);
        CHECK(lines[0].starts_with("one.toml:5:9: requires: cycle: one -> two -> one; "));
        CHECK(lines[1].starts_with("two.toml:2:9: after: cycle: one -> two -> one; "));
    }
    SECTION("of a unit that says nothing the one beside it does") {
        auto quiet = unit("quiet"), loud = unit("loud");
        loud.unit.before = {"quiet"};
        loud.unit.after = {"quiet"};
        const auto lines = told({quiet, loud});
        REQUIRE(lines.size() == 2);
        CHECK(lines[0].starts_with("loud.toml:2:9: after: cycle: "));
        CHECK(lines[1].starts_with("loud.toml:2:9: after: cycle: "));
    }
    SECTION("and none where that one is not given") {
        auto loud = unit("loud");
        loud.unit.before = {"quiet"};
        loud.unit.after = {"quiet"};
        auto quiet = unit("quiet");
        quiet.unit.wants = {"loud"};
        CHECK(
            told({quiet}, {loud}).at(0).starts_with("quiet.toml: cycle: loud -> quiet -> loud; "));
    }
    SECTION("a unit before itself") {
        auto self = unit("self");
        self.unit.before = {"self"};
        CHECK(told({self}).at(0).starts_with("self.toml:3:9: before: cycle: self -> self; "));
    }
}

TEST_CASE("verify: units that are needed together and conflict are told", "[verify]") {
    auto rival = unit("b");
    rival.unit.conflicts = {"a"};
    CHECK(told({unit("web", {"a", "b"})}, {unit("a"), rival}) ==
          Names{"web.toml:5:9: requires: needs b and a, which conflict; drop one of the two"});
    CHECK(told({unit("web", {"a"})}, {unit("a"), rival}).empty());
}

TEST_CASE("verify: every requirement that is not there is told, also of broken ones given",
          "[verify]") {
    const auto lines = told({unit("web", {"db", "ghost", "bad"})});
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].find("requires db, which does not exist") != std::string::npos);
    CHECK(lines[1].find("requires ghost, which does not exist") != std::string::npos);
    CHECK(lines[2].find("requires bad, whose file has errors") != std::string::npos);

    auto broken = known(unit("db"));
    broken.fault = {.file = "db.toml", .line = 2, .column = 1, .message = "oops"};
    const auto none = [](const std::string& name) -> config::Checked<config::Unit> {
        return std::unexpected(config::Diagnostics{{.file = name, .message = "no such unit"}});
    };
    const auto found = verify::check_relations({known(unit("web", {"db"})), broken}, none);
    REQUIRE(found.size() == 1);
    CHECK(found[0].message == "requires: requires db, whose file has errors: db.toml:2:1: oops");
}
