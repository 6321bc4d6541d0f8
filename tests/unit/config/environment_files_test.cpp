#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

void write_web(const UnitTree& tree, const std::string& file) {
    tree.write("etc/web.toml", "[service]\nexec_start = [\"/bin/web\"]\n[environment]\nfile = [\"" +
                                   file + "\"]\n");
}

}  // namespace

TEST_CASE("environment files: an edited one makes another unit, and its content stays out of it",
          "[config]") {
    const UnitTree tree;
    tree.write("secret.env", "PASSWORD=hunter2\n");
    write_web(tree, tree.path("secret.env"));
    const Unit before = loaded(tree, "web");
    CHECK(loaded(tree, "web").digest == before.digest);
    CHECK(before.environment->stamps.contains(tree.path("secret.env")));
    CHECK(before.text.str().find("hunter2") == std::string::npos);

    SECTION("of the same length") {
        tree.write("secret.env", "PASSWORD=hunter3\n");
    }
    SECTION("replaced by a rename") {
        tree.write("new.env", "PASSWORD=hunter2\n");
        REQUIRE(::rename(tree.path("new.env").c_str(), tree.path("secret.env").c_str()) == 0);
    }
    CHECK(loaded(tree, "web").digest != before.digest);
}

TEST_CASE("environment files: the kept text of a unit has the same digest and asks for no stamp",
          "[config]") {
    const UnitTree tree;
    tree.write("web.env", "A=1\n");
    write_web(tree, tree.path("web.env"));
    const Unit unit = loaded(tree, "web");
    const auto kept = parse_effective(test_schema(), "web", unit.text.str());
    REQUIRE(kept);
    CHECK(kept->digest == unit.digest);
    CHECK(kept->text == unit.text);
    CHECK(kept->environment->file == unit.environment->file);
    CHECK(kept->environment->stamps.empty());
}

TEST_CASE("environment files: what cannot be used is refused with its place", "[config]") {
    const UnitTree tree;
    write_web(tree, tree.path("web.env"));
    const auto has = [&](const std::string& text) {
        INFO(load_errors(tree, "web"));
        return load_errors(tree, "web").find(text) != std::string::npos;
    };
    CHECK(has("etc/web.toml:4:9: file: "));
    CHECK(has("is not there; make it"));
    REQUIRE(::symlink("/etc/passwd", tree.path("web.env").c_str()) == 0);
    CHECK(has("is a symbolic link; name the file itself"));
    REQUIRE(::unlink(tree.path("web.env").c_str()) == 0);
    tree.make_directory("web.env");
    CHECK(has("is not a regular file"));
    REQUIRE(::rmdir(tree.path("web.env").c_str()) == 0);
    tree.write("web.env", "A=1\n");
    REQUIRE(::chmod(tree.path("web.env").c_str(), 0666) == 0);
    CHECK(has("writable by group or others (mode 0666); run: chmod go-w "));
    REQUIRE(::chmod(tree.path("web.env").c_str(), 0600) == 0);
    CHECK(load_errors(tree, "web") == "loaded");  // the control
}

TEST_CASE("units: restart_delay above restart_delay_max is refused where it stands", "[config]") {
    const UnitTree tree;
    const std::string service = "[service]\nexec_start = [\"/bin/web\"]\n";
    tree.write("etc/web.toml", service + "restart_delay = \"1min\"\nrestart_delay_max = \"30s\"\n");
    CHECK(load_errors(tree, "web") ==
          "etc/web.toml:3:17: restart_delay: \"1min\" is longer than restart_delay_max, which is "
          "\"30s\"; raise that too\n");
    tree.write("etc/web.toml", service + "restart_delay = \"1min\"\nrestart_delay_max = \"60\"\n");
    CHECK(load_errors(tree, "web") == "loaded");
    // Alone it may be longer than the other's default: the wait then never grows.
    tree.write("etc/web.toml", service + "restart_delay = \"1min\"\n");
    CHECK(load_errors(tree, "web") == "loaded");
}

TEST_CASE("verify: a file in a folder of profiles is checked as a profile", "[config]") {
    const UnitTree tree;
    tree.write("site/tight.toml", "[jail.identity]\nno_new_privileges = true\n");
    Sources sources = tree.sources();
    CHECK(told(verify_file(sources, test_schema(), tree.path("profiles/default.toml"))).empty());
    CHECK_FALSE(told(verify_file(sources, test_schema(), tree.path("site/tight.toml"))).empty());
    sources.profile_dirs.push_back(tree.path("etc/../site"));
    CHECK(told(verify_file(sources, test_schema(), tree.path("site/tight.toml"))).empty());
    tree.write("site/tight.toml", "[service]\nexec_start = [\"/bin/web\"]\n");
    CHECK(told(verify_file(sources, test_schema(), tree.path("site/tight.toml")), tree.path(""))
              .find("a profile holds [jail.NAME] tables alone") != std::string::npos);
}

TEST_CASE("load_all: instances that somebody remembers are loaded while their template is there",
          "[config]") {
    const UnitTree tree;
    tree.write("etc/worker@.toml", "[service]\nexec_start = [\"/bin/worker\", \"%i\"]\n");
    const auto all = load_all(tree.sources(), test_schema(), {"worker@3", "gone@1", "plain"});
    REQUIRE(all.units.size() == 1);
    CHECK(all.units[0].name == "worker@3");
    CHECK(all.broken.empty());
}
