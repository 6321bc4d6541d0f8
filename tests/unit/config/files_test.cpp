#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <iostream>

#include "config/load.hpp"
#include "config/trusted_dir.hpp"
#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

constexpr const char* kGood = "[service]\nexec_start = [\"/bin/x\"]\n";

}  // namespace

TEST_CASE("config: only files that nobody else can change are read", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", kGood);
    tree.write("etc/web.toml.d/10.toml", "");
    REQUIRE(load_errors(tree, "web") == "loaded");
    const auto with_mode = [&](const std::string& below, mode_t mode) {
        REQUIRE(::chmod(tree.path(below).c_str(), mode) == 0);
        std::string errors = load_errors(tree, "web");
        REQUIRE(::chmod(tree.path(below).c_str(), (mode & 0111) != 0 ? 0755 : 0644) == 0);
        return errors;
    };
    const auto told_for = [&](const std::string& below, const char* mode) {
        return fmt::format("{}: writable by group or others (mode {}); run: chmod go-w {}\n", below,
                           mode, tree.path(below));
    };
    CHECK(with_mode("etc/web.toml", 0664) == told_for("etc/web.toml", "0664"));
    CHECK(with_mode("etc/web.toml", 0646) == told_for("etc/web.toml", "0646"));
    CHECK(with_mode("etc/web.toml.d/10.toml", 0666) == told_for("etc/web.toml.d/10.toml", "0666"));
    CHECK(with_mode("etc/web.toml.d", 0777) == told_for("etc/web.toml.d", "0777"));
    CHECK(with_mode("profiles/default.toml", 0664) == told_for("profiles/default.toml", "0664"));
    CHECK(with_mode("profiles", 0775) == told_for("profiles", "0775"));
    SECTION("also a directory that does not hold the unit: it might restrict it") {
        CHECK(with_mode("usr", 01777) == told_for("usr", "1777"));
    }
    SECTION("verify says so too") {
        REQUIRE(::chmod(tree.path("etc/web.toml").c_str(), 0664) == 0);
        CHECK(told(verify_file(tree.sources(), test_schema(), tree.path("etc/web.toml")),
                   tree.path("")) == told_for("etc/web.toml", "0664"));
    }
    SECTION("unless trust is not asked for") {
        REQUIRE(::chmod(tree.path("etc/web.toml").c_str(), 0666) == 0);
        Sources sources = tree.sources();
        sources.require_trusted_owner = false;
        CHECK(load_unit(sources, test_schema(), "web").has_value());
        CHECK(verify_file(sources, test_schema(), tree.path("etc/web.toml")).empty());
    }
}

TEST_CASE("config: a file of another user is refused", "[config]") {
    if (::geteuid() != 0) {
        WARN("skipped: giving a file to another user needs root");
        return;
    }
    const UnitTree tree;
    tree.write("etc/web.toml", kGood);
    REQUIRE(load_errors(tree, "web") == "loaded");
    REQUIRE(::chown(tree.path("etc/web.toml").c_str(), 65534, 65534) == 0);
    CHECK(load_errors(tree, "web") ==
          fmt::format("etc/web.toml: owned by uid 65534, so somebody else could change it; run: "
                      "chown root {}\n",
                      tree.path("etc/web.toml")));
}

TEST_CASE("config: only regular files are units", "[config]") {
    const UnitTree tree;
    tree.write("elsewhere.toml", kGood);
    REQUIRE(::symlink(tree.path("elsewhere.toml").c_str(), tree.path("etc/link.toml").c_str()) ==
            0);
    REQUIRE(::mkfifo(tree.path("etc/fifo.toml").c_str(), 0600) == 0);
    tree.make_directory("etc/folder.toml");
    CHECK(load_errors(tree, "link") ==
          "etc/link.toml: is a symbolic link; put the file itself here\n");
    CHECK(load_errors(tree, "fifo") ==
          "etc/fifo.toml: is not a regular file; put a file here, or remove it\n");
    CHECK(load_errors(tree, "folder") ==
          "etc/folder.toml: is not a regular file; put a file here, or remove it\n");
    CHECK(load_errors(tree, "none") == "none: no such unit: there is no file for it\n");
    CHECK(load_errors(tree, "../elsewhere") == "../elsewhere: no name of a unit\n");
}

TEST_CASE("config: a broken drop-in or profile is named by its own file", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", kGood);
    SECTION("drop-in") {
        tree.write("etc/web.toml.d/10-a.toml", "[service]\nnice = 1\n");
        tree.write("etc/web.toml.d/20-b.toml", "[service]\nnise = 1\n");
        CHECK(load_errors(tree, "web") ==
              "etc/web.toml.d/20-b.toml:2:1: nise: key of [service] not known by this build; did "
              "you mean \"nice\"?\n");
    }
    SECTION("a bad value that a later file would replace") {
        tree.write("etc/web.toml.d/10-a.toml", "[service]\nnice = 99\n");
        tree.write("etc/web.toml.d/20-b.toml", "[service]\nnice = 1\n");
        CHECK(load_errors(tree, "web") ==
              "etc/web.toml.d/10-a.toml:2:8: nice: 99 is out of range; use -20 to 19\n");
    }
    SECTION("profile") {
        tree.write("profiles/default.toml", "[jail.chroot]\nmode = \"x\"\n[service]\n");
        CHECK(load_errors(tree, "web") ==
              "profiles/default.toml:2:8: mode: unknown value \"x\"; use \"host\" or "
              "\"directory\"\nprofiles/default.toml:3:2: [service]: a profile holds [jail.NAME] "
              "tables alone\n");
    }
    SECTION("missing profile") {
        tree.write("profiles/trusted.toml", "");
        tree.write("etc/web.toml", std::string(kGood) + "[jail]\nprofile = \"trsuted\"\n");
        CHECK(load_errors(tree, "web") ==
              "etc/web.toml:4:11: profile: no profile \"trsuted\"; did you mean \"trusted\"? known "
              "are \"default\" or \"trusted\"\n");
    }
    SECTION("syntax errors hide no others, and bring none") {
        tree.write("etc/web.toml", "[service\n");
        tree.write("etc/web.toml.d/10.toml", "[jail.chroot]\nmode = 1\n");
        const std::string errors = load_errors(tree, "web");
        CHECK(errors.starts_with("etc/web.toml:1:"));
        CHECK(errors.ends_with(
            "etc/web.toml.d/10.toml:2:8: mode: expected a string, found an integer\n"));
        CHECK(std::count(errors.begin(), errors.end(), '\n') == 2);
    }
}

TEST_CASE("config: the number of drop-ins is limited", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", kGood);
    for (int i = 0; i < 64; ++i) tree.write(fmt::format("etc/web.toml.d/{:02}.toml", i), "");
    CHECK(load_errors(tree, "web") == "loaded");
    tree.write("usr/web.toml.d/99.toml", "");
    CHECK(load_errors(tree, "web") == "web: more than 64 drop-ins\n");
}

TEST_CASE("config: units are listed once, templates left out", "[config]") {
    const UnitTree tree;
    for (const char* file :
         {"etc/b.toml", "usr/a.toml", "usr/b.toml", "usr/w@.toml", "etc/w@1.toml",
          "etc/.hidden.toml", "etc/notes.txt", "etc/bad name.toml"}) {
        tree.write(file, kGood);
    }
    CHECK(list_units(tree.sources()) == std::vector<std::string>{"a", "b", "w@1"});
}

TEST_CASE("config: the places of a jail's keys are those of the files that won", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", std::string(kGood) + "[jail.chroot]\nmode = \"host\"\n");
    tree.write("etc/web.toml.d/10-mode.toml", "[jail.chroot]\n\nmode  =  \"directory\"\n");
    JailPlaces places;
    REQUIRE(load_unit(tree.sources(), test_schema(), "web", &places));
    const auto place = [&](const char* key) { return told({places[key]}, tree.path("")); };
    CHECK(place("jail.chroot.mode") == "etc/web.toml.d/10-mode.toml:3:10: \n");
    CHECK(places["jail.chroot.mode"].source == "mode  =  \"directory\"");
    CHECK(place("jail.chroot") == "etc/web.toml.d/10-mode.toml:1:7: \n");
    CHECK(place("jail.identity.no_new_privileges") == "profiles/default.toml:2:21: \n");
    CHECK(place("service.exec_start") == "etc/web.toml:2:14: \n");
    CHECK_FALSE(places.contains("service.restart"));
}

TEST_CASE("config: entries of a table have places of their own", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", std::string(kGood) + "[jail.identity.limits]\nnofile = 7\n");
    JailPlaces places;
    REQUIRE(load_unit(tree.sources(), test_schema(), "web", &places));
    CHECK(places["jail.identity.limits.nofile"].line == places["jail.identity.limits"].line + 1);
}

TEST_CASE("config: a unit with errors is what is right in it", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml",
               "[unit]\nrequires = [\"db\", \"a b\"]\n[service]\nexec_start = [\"web\"]\n"
               "restart = \"sometimes\"\nnice = 5\n"
               "[jail.chroot]\nmode = \"host\"\nbinds = [1, \"/a\"]\nmod = 1\n");
    const auto seen = inspect_unit(tree.sources(), test_schema(), "web");
    REQUIRE(seen.unit);
    CHECK(seen.errors.size() == 5);
    CHECK(seen.unit->service.nice == 5);
    CHECK(seen.unit->service.exec_start.empty());
    CHECK(seen.unit->service.restart == Restart::kNo);
    CHECK(seen.unit->unit.requires_.empty());
    CHECK(seen.flawed == std::set<std::string, std::less<>>{"jail.chroot", "service", "unit"});
    CHECK(seen.places.contains("jail.chroot.mode"));
    CHECK_FALSE(seen.places.contains("service.restart"));
    // The control: who loads it gets none of it, and a good one has no errors.
    CHECK_FALSE(load_unit(tree.sources(), test_schema(), "web"));
    tree.write("etc/good.toml", kGood);
    const auto good = inspect_unit(tree.sources(), test_schema(), "good");
    CHECK((good.unit && good.errors.empty() && good.flawed.empty()));
    tree.write("etc/torn.toml", "[service\n");
    CHECK_FALSE(inspect_unit(tree.sources(), test_schema(), "torn").unit);
}

TEST_CASE("config: loading all units tells of the broken and keeps the good", "[config]") {
    const UnitTree tree;
    tree.write("etc/good.toml", std::string(kGood) + "[unit]\nwants = [\"w@7\", \"x@1\"]\n");
    tree.write("etc/bad.toml", "[service]\n");
    tree.write("etc/bad name.toml", kGood);
    tree.write("usr/w@.toml", std::string(kGood) + "[unit]\nrequires = [\"w@%ii\"]\n");
    const LoadedUnits all = load_all(tree.sources(), test_schema());
    std::vector<std::string> names;
    for (const Unit& unit : all.units) names.push_back(unit.name);
    REQUIRE(names.size() > 2);
    CHECK(names[0] == "good");
    CHECK(names[1] == "w@7");
    // The template names ever longer instances: that ends at the longest name.
    CHECK(names.size() < 128);
    CHECK(all.broken.contains("bad"));
    CHECK(all.broken.contains(tree.path("etc/bad name.toml")));
    CHECK_FALSE(all.broken.contains("good"));

    SECTION("what one unit gives alone, it gives among all") {
        CHECK(all.units[0].digest == loaded(tree, "good").digest);
    }
    SECTION("no unit is loaded beside a directory that cannot be trusted") {
        REQUIRE(::chmod(tree.path("usr").c_str(), 0777) == 0);
        const LoadedUnits none = load_all(tree.sources(), test_schema());
        CHECK(none.units.empty());
        CHECK(none.broken.contains(tree.path("usr")));
        CHECK(none.broken.contains("good"));
    }
}

TEST_CASE("config: templates are listed, and told when they are broken", "[config]") {
    const UnitTree tree;
    tree.write("etc/w@.toml", "[unit]\ndescription = \"Worker %i\"\n" + std::string(kGood));
    tree.write("etc/bad@.toml", "[service]\nexec_strat = [\"/bin/%i\"]\n");
    tree.write("etc/half@.toml", kGood);
    tree.write("etc/half@.toml.d/1.toml", "[service]\nrestart = \"%%\"\n");
    tree.write("etc/far@.toml", std::string(kGood) + "[jail]\nprofile = \"no-such\"\n");
    // Whether these are right only an instance can tell.
    tree.write("etc/late@.toml", std::string(kGood) + "[jail]\nprofile = \"%i\"\n");
    tree.write("etc/size@.toml", std::string(kGood) + "[jail.chroot]\ntmp_size = \"%iM\"\n");
    const LoadedUnits all = load_all(tree.sources(), test_schema());
    CHECK(all.units.empty());
    std::string names;
    for (const Template& one : all.templates) names += one.name + " ";
    CHECK(names == "late@ size@ w@ ");
    CHECK(all.templates.back().description == "Worker %i");
    CHECK(all.templates.back().file == tree.path("etc/w@.toml"));
    std::string broken;
    for (const auto& [name, diagnostics] : all.broken) {
        broken += name + " " + told({diagnostics.back()}, tree.path("")).substr(0, 48) + "\n";
    }
    CHECK(broken ==
          "bad@ etc/bad@.toml:2:1: exec_strat: key of [service] \n"
          "far@ etc/far@.toml:4:11: profile: no profile \"no-such\n"
          "half@ etc/half@.toml.d/1.toml:2:11: restart: unknown v\n");
}

TEST_CASE("config: files that can be no unit's and drop-ins of none are told", "[config]") {
    const UnitTree tree;
    for (const char* file :
         {"etc/web.toml", "etc/noext", "etc/a@b@c.toml", "usr/@x.toml", "usr/w@.toml",
          "etc/i@1.toml", "etc/notes.txt", "etc/web.toml~", "etc/sub/noext", "etc/.web.toml.swp",
          "etc/.hidden.toml", "etc/#web.toml#", "etc/web.toml.bak", "etc/web.toml.d/1.toml",
          "etc/w@.toml.d/1.toml", "etc/w@3.toml.d/1.toml", "etc/i@.toml.d/1.toml",
          "etc/gone.toml.d/1.toml", "usr/g@.toml.d/1.toml"}) {
        tree.write(file, std::string(file).ends_with("d/1.toml") ? "" : kGood);
    }
    const LoadedUnits all = load_all(tree.sources(), test_schema());
    std::string broken;
    for (const auto& [name, diagnostics] : all.broken) broken += told(diagnostics, tree.path(""));
    CHECK(broken ==
          "etc/a@b@c.toml: \"a@b@c\" is no name of a unit, so this file is never loaded; use "
          "letters, digits and :_.- with at most one @, not at the front, 127 bytes\n"
          "usr/@x.toml: \"@x\" is no name of a unit, so this file is never loaded; use letters, "
          "digits and :_.- with at most one @, not at the front, 127 bytes\n");
    // Passed over, and no reason for a reload to fail.
    CHECK(told(all.strays, tree.path("")) ==
          "etc/gone.toml.d: drop-ins of no unit: there is no gone.toml; rename or remove them\n"
          "etc/noext: no unit: the file's name has to end in .toml\n"
          "usr/g@.toml.d: drop-ins of no unit: there is no g@.toml; rename or remove them\n");
    CHECK(all.units.size() == 2);  // web and i@1, undisturbed
}

TEST_CASE("config: verify tells of names under which a file is never read", "[config]") {
    const UnitTree tree;
    const auto verified = [&](const std::string& file, const std::string& text) {
        tree.write(file, text);
        const auto found = verify_file(tree.sources(), test_schema(), tree.path(file));
        return found.empty() ? "" : found.front().message.substr(0, 20);
    };
    CHECK(verified("etc/web.toml", kGood).empty());
    CHECK(verified("etc/w@.toml", kGood).empty());
    CHECK(verified("etc/web.toml.d/1.toml", "").empty());
    CHECK(verified("profiles/tight.toml", "").empty());
    CHECK(verified("etc/noext", kGood) == "no unit: the file's ");
    CHECK(verified("etc/a@b@c.toml", kGood) == "\"a@b@c\" is no name o");
    CHECK(verified("etc/@x.toml", kGood) == "\"@x\" is no name of a");
    CHECK(verified("etc/" + std::string(128, 'x') + ".toml", kGood).starts_with("\"xxx"));
    CHECK(verified("etc/web.toml.d/1", "") == "no drop-in: the file");
    CHECK(verified("etc/@x.toml.d/1.toml", "") == "\"@x\" is no name of a");
    CHECK(verified("profiles/a.b.toml", "") == "no profile: the file");
}

TEST_CASE("config: without a shipped plugin, only a unit that gives it up or has no jail loads",
          "[config]") {
    const UnitTree tree;
    tree.write("profiles/host.toml", "");
    tree.write("etc/web.toml", kGood);
    tree.write("etc/free.toml", std::string(kGood) + "[jail]\nprofile = \"host\"\n");
    tree.write("etc/gives.toml", std::string(kGood) + "[jail]\noptional = [\"cgroups\"]\n");
    tree.write("etc/part.toml", std::string(kGood) + "[jail]\noptional = [\"cgroups.memory\"]\n");
    tree.write("etc/table.toml",
               std::string(kGood) + "[jail]\nprofile = \"host\"\n[jail.cgroups]\ntasks = 1\n");
    tree.write("etc/group.toml", "[unit]\n");
    const auto errors = [&](const char* plugin, const char* name) {
        Schema schema = test_schema();
        schema.tables.push_back({.name = std::string("jail.") + plugin,
                                 .plugin = plugin,
                                 .refusal = "refused: mend it"});
        auto unit = load_unit(tree.sources(), schema, name);
        return unit ? "loaded" : told(unit.error(), tree.path(""));
    };
    CHECK(errors("cgroups", "web") == "etc/web.toml: refused: mend it\n");
    CHECK(errors("cgroups", "part") != "loaded");  // it gives up a part of it alone
    CHECK(errors("cgroups", "table").ends_with(": [jail.cgroups]: refused: mend it\n"));
    CHECK(errors("cgroups", "free") == "loaded");
    CHECK(errors("cgroups", "gives") == "loaded");
    CHECK(errors("cgroups", "group") == "loaded");
    CHECK(errors("hello", "web") == "loaded");  // no part of every jail
}

TEST_CASE("config: %u of a dynamic user is an error with a cure", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", std::string(kGood) + "[environment]\nset = { U = \"%u\" }\n");
    CHECK(load_errors(tree, "web") ==
          "etc/web.toml:4:13: %u stands for nothing: the unit names no user, and a dynamic one's "
          "name is chosen at its start; set user (and dynamic_user = false) in [jail.identity]\n");
}

TEST_CASE("config: a thousand small units load fast", "[config]") {
    const UnitTree tree;
    for (int i = 0; i < 1000; ++i) {
        tree.write(fmt::format("etc/unit{}.toml", i),
                   fmt::format("[unit]\nafter = [\"unit{}\"]\n{}restart = \"always\"\n",
                               (i + 999) % 1000, kGood));
    }
    const auto begin = std::chrono::steady_clock::now();
    const LoadedUnits all = load_all(tree.sources(), test_schema());
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    CHECK(all.units.size() == 1000);
    CHECK(all.broken.empty());
    std::cout << fmt::format("1,000 units loaded in {:.0f} ms\n", took.count());
}
