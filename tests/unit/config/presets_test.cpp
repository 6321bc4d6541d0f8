#include "config/presets.hpp"

#include <catch2/catch.hpp>

#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;
using Policy = Presets::Policy;

TEST_CASE("presets: the first line that matches counts", "[config]") {
    Presets presets;
    Diagnostics problems;
    presets.add("a.preset",
                "# comment\n; comment\n\nenable web\n  disable\tweb-*  \r\nignore db\n"
                "enable worker@[0-3]\ndisable *",
                problems);
    CHECK(problems.empty());
    CHECK(presets.of("web") == Policy::kEnable);
    CHECK(presets.of("web-2") == Policy::kDisable);
    CHECK(presets.of("db") == Policy::kNone);
    CHECK(presets.of("worker@3") == Policy::kEnable);
    CHECK(presets.of("worker@4") == Policy::kDisable);
    CHECK(Presets().of("web") == Policy::kNone);
}

TEST_CASE("presets: lines that are none are told with their place", "[config]") {
    Presets presets;
    Diagnostics problems;
    presets.add("a.preset", "enable\nEnable web\nenable web db\nenable web\n", problems);
    REQUIRE(problems.size() == 3);
    CHECK(problems[0].line == 1);
    CHECK(to_string(problems[1]).starts_with("a.preset:2:1: \"Enable\": no line of a preset"));
    CHECK(presets.of("web") == Policy::kEnable);
}

TEST_CASE("presets: files by name, where the higher directory has the word", "[config]") {
    const UnitTree tree;
    tree.write("etc/50.preset", "disable web\n");
    tree.write("usr/50.preset", "enable *\n");
    tree.write("usr/90.preset", "enable web\nenable db\n");
    tree.write("usr/notes.txt", "nonsense\n");
    const std::vector<std::string> dirs = {tree.path("etc"), tree.path("usr"), tree.path("none")};
    Diagnostics problems;
    const Presets presets = Presets::read(dirs, Trust::kRootOnly, problems);
    CHECK(problems.empty());
    CHECK(presets.of("web") == Policy::kDisable);
    CHECK(presets.of("db") == Policy::kEnable);
    CHECK(presets.of("other") == Policy::kNone);
    SECTION("only those that nobody else can change") {
        REQUIRE(::chmod(tree.path("etc/50.preset").c_str(), 0666) == 0);
        (void)Presets::read(dirs, Trust::kRootOnly, problems);
        REQUIRE(problems.size() == 1);
        CHECK(problems[0].file == tree.path("etc/50.preset"));
    }
}
