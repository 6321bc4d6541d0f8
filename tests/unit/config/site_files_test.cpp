#include "base/site_files.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "config/unit_files.hpp"
#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

constexpr const char* kService =
    "[service]\nexec_start = [\"/bin/x\"]\n[install]\nwanted_by = [\"default\"]\n";

std::vector<std::string> loaded_names(const UnitTree& tree) {
    std::vector<std::string> names;
    for (const Unit& unit : load_all(tree.sources(), test_schema()).units) {
        names.push_back(unit.name);
    }
    return names;
}

}  // namespace

TEST_CASE("site files: an instance that is enabled is loaded with the others", "[config]") {
    const UnitTree tree;
    tree.write("usr/worker@.toml", kService);
    tree.write("etc/worker@1.toml.d/10.toml", "[service]\nnice = 1\n");
    CHECK(loaded_names(tree).empty());  // settings of an instance are no wish to have it
    tree.write("etc/worker@3.toml.d/enabled.toml", "[install]\nenabled = true\n");
    CHECK(loaded_names(tree) == std::vector<std::string>{"worker@3"});
    SECTION("but not one whose template is gone") {
        std::filesystem::remove(tree.path("usr/worker@.toml"));
        CHECK(loaded_names(tree).empty());
    }
    SECTION("nor the template for a file of its own") {
        tree.write("etc/worker@.toml.d/enabled.toml", "[install]\nenabled = true\n");
        CHECK(loaded_names(tree) == std::vector<std::string>{"worker@3"});
    }
    SECTION("one whose folder cannot be trusted is told of") {
        REQUIRE(::chmod(tree.path("etc/worker@3.toml.d").c_str(), 0777) == 0);
        const auto all = load_all(tree.sources(), test_schema());
        CHECK(all.units.empty());
        CHECK(all.broken.contains("worker@3"));
    }
}

TEST_CASE("site files: a unit can be read without some of its drop-ins", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", kService);
    tree.write("etc/web.toml.d/enabled.toml", "[install]\nenabled = false\n");
    tree.write("etc/web.toml.d/masked.toml", "[unit]\nmasked = true\n");
    Sources sources = tree.sources();
    const auto now = load_unit(sources, test_schema(), "web");
    REQUIRE(now.has_value());
    CHECK_FALSE(now->install.enabled);
    CHECK(now->unit.masked);
    sources.without = {tree.path("etc/web.toml.d/enabled.toml")};
    const auto without = load_unit(sources, test_schema(), "web");
    REQUIRE(without.has_value());
    CHECK(without->install.enabled);
    CHECK(without->unit.masked);
}
