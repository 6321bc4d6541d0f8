#include "config/load.hpp"

#include <catch2/catch.hpp>

#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kWeb = R"([unit]
description = "A server"
after = ["db"]

[service]
exec_start = ["/usr/sbin/web", "-p", "80"]
restart = "always"
restart_delay = "200ms"

[jail.chroot]
mode = "host"
)";

}  // namespace

TEST_CASE("config: a unit file becomes a typed unit", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", kWeb);
    const Unit unit = loaded(tree, "web");
    CHECK(unit.name == "web");
    CHECK(unit.unit.description == "A server");
    CHECK(unit.unit.after == std::vector<std::string>{"db"});
    CHECK(unit.service.exec_start == Command{"/usr/sbin/web", "-p", "80"});
    CHECK(unit.service.restart == Restart::kAlways);
    CHECK(unit.service.restart_delay == 200ms);
    CHECK(unit.service.timeout_stop == 90s);
    CHECK(unit.jail.profile == "default");
    CHECK_FALSE(unit.is_target);
    CHECK(unit.files == List{SharedPath(tree.path("profiles/default.toml")),
                             SharedPath(tree.path("etc/web.toml"))});
}

TEST_CASE("config: the effective text is canonical and covered by the digest", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", kWeb);
    const Unit unit = loaded(tree, "web");
    CHECK(unit.text.str() == R"([jail]
profile = "default"

[jail.chroot]
mode = "host"

[jail.identity]
no_new_privileges = true

[service]
exec_start = ["/usr/sbin/web", "-p", "80"]
restart = "always"
restart_delay = "200ms"

[unit]
after = ["db"]
description = "A server"
)");
    CHECK(unit.digest == digest_of_unit(unit.text.str()));

    tree.write("etc/same.toml",
               "service.restart_delay = \"200ms\"\nservice.restart = 'always'\n"
               "service.exec_start = [ \"/usr/sbin/web\",\n '-p', \"\\u0038\\u0030\" ] # port\n"
               "unit = { description = \"A server\", after = ['db'] }\n"
               "jail.chroot.mode = \"host\"\n");
    CHECK(loaded(tree, "same").digest == unit.digest);
}

TEST_CASE("config: the higher directory's file replaces the lower one's", "[config]") {
    const UnitTree tree;
    tree.write("usr/web.toml", "[service]\nexec_start = [\"/bin/lower\"]\nnice = 5\n");
    CHECK(loaded(tree, "web").service.exec_start == Command{"/bin/lower"});
    tree.write("etc/web.toml", "[service]\nexec_start = [\"/bin/upper\"]\n");
    const Unit unit = loaded(tree, "web");
    CHECK(unit.service.exec_start == Command{"/bin/upper"});
    CHECK_FALSE(unit.service.nice.has_value());
}

TEST_CASE("config: profile, unit and drop-ins override each other in that order", "[config]") {
    const UnitTree tree;
    tree.write("profiles/default.toml",
               "[jail.chroot]\nmode = \"host\"\nbinds = [\"/a\"]\ntmp_size = \"1M\"\n"
               "[jail.identity.limits]\nnofile = 100\ncore = 0\n");
    tree.write("usr/web.toml",
               "[service]\nexec_start = [\"/bin/web\"]\n"
               "[jail.chroot]\nbinds = [\"/b\", \"/c\"]\ntmp_size = \"2M\"\n"
               "[jail.identity.limits]\nnofile = 200\n");
    tree.write("usr/web.toml.d/20-more.toml", "[jail.chroot]\ntmp_size = \"3M\"\n");
    tree.write("etc/web.toml.d/10-first.toml", "[jail.chroot]\ntmp_size = \"4M\"\ngrace = 1\n");
    const Unit unit = loaded(tree, "web");
    CHECK(unit.text.str() == R"([jail]
profile = "default"

[jail.chroot]
binds = ["/b", "/c"]
grace = "1s"
mode = "host"
tmp_size = "3M"

[jail.identity]

[jail.identity.limits]
core = "0"
nofile = "200"

[service]
exec_start = ["/bin/web"]
)");
    CHECK(unit.files.size() == 4);
    CHECK(unit.files.back().str() == tree.path("usr/web.toml.d/20-more.toml"));

    SECTION("a drop-in of the higher directory masks one of the same name") {
        tree.write("etc/web.toml.d/20-more.toml", "");
        CHECK(loaded(tree, "web").text.str().find("tmp_size = \"4M\"") != std::string::npos);
    }
    SECTION("a drop-in may choose the profile") {
        tree.write("profiles/tight.toml", "[jail.identity]\numask = 63\n");
        tree.write("etc/web.toml.d/30-tight.toml", "[jail]\nprofile = \"tight\"\n");
        const Unit tight = loaded(tree, "web");
        CHECK(tight.jail.profile == "tight");
        CHECK(tight.text.str().find("umask = 63") != std::string::npos);
        CHECK(tight.text.str().find("core") == std::string::npos);
    }
}

TEST_CASE("config: a template serves every instance", "[config]") {
    const UnitTree tree;
    tree.write("usr/worker@.toml",
               "[unit]\ndescription = \"%p number %i, 100%\"\nafter = [\"db@%i\"]\n"
               "[service]\nexec_start = [\"/bin/worker\", \"%n\", \"%t/%p\", \"%S/%p\"]\n"
               "[environment.set]\nWHO = \"%u\"\n"
               "[jail.identity]\nuser = \"w%i\"\n");
    const Unit unit = loaded(tree, "worker@3");
    CHECK(unit.unit.description == "worker number 3, 100%");
    CHECK(unit.unit.after == std::vector<std::string>{"db@3"});
    CHECK(unit.service.exec_start ==
          Command{"/bin/worker", "worker@3", "/run/worker", "/var/lib/worker"});
    CHECK(unit.environment->set.at("WHO") == "w3");

    SECTION("drop-ins of the template hold for all, an instance's own for it alone") {
        tree.write("etc/worker@.toml.d/10.toml", "[service]\nnice = 1\n");
        tree.write("etc/worker@.toml.d/20.toml", "[unit]\nbefore = [\"x\"]\n");
        tree.write("etc/worker@3.toml.d/10.toml", "[service]\nnice = 3\n");
        CHECK(loaded(tree, "worker@3").service.nice == 3);
        CHECK(loaded(tree, "worker@3").unit.before == std::vector<std::string>{"x"});
        CHECK(loaded(tree, "worker@4").service.nice == 1);
    }
    SECTION("an instance's own file comes before the template") {
        tree.write("usr/worker@3.toml", "[service]\nexec_start = [\"/bin/special\"]\n");
        CHECK(loaded(tree, "worker@3").service.exec_start == Command{"/bin/special"});
    }
    SECTION("the template itself is no unit") {
        CHECK(load_errors(tree, "worker@") == "worker@: no name of a unit\n");
        CHECK(list_units(tree.sources()).empty());
    }
}

TEST_CASE("config: a unit without [service] is a target and needs no profile", "[config]") {
    const UnitTree tree;
    std::filesystem::remove(tree.path("profiles/default.toml"));
    tree.write("etc/all.toml", "[unit]\nwants = [\"web\"]\n");
    const Unit unit = loaded(tree, "all");
    CHECK(unit.is_target);
    CHECK(unit.files == List{SharedPath(tree.path("etc/all.toml"))});
    tree.write("etc/all.toml", "[unit]\n[jail]\nprofile = \"host\"\n");
    CHECK(load_errors(tree, "all") ==
          "etc/all.toml:2:2: [jail]: a unit without [service] starts no program; add [service] or "
          "remove this table\n");
}

TEST_CASE("config: the effective text parses to the same unit", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml",
               "[service]\nexec_start = [\"/bin/sh\", \"-c\", \"\"\"\nprintf '%%s\\\\n' \"a\"\n"
               "\tdone\"\"\"]\nexec_stop = [\"/bin/a\"]\nsuccess_exit_status = [3, 4]\n"
               "kill_signal = \"SIGRTMIN+3\"\ntimeout_start = \"infinity\"\n"
               "[environment]\nset = { A = \"x y\", B = \"2\" }\npass = []\n[jail.chroot]\n");
    const Unit unit = loaded(tree, "web");
    const auto again = parse_effective(test_schema(), "web", unit.text.str());
    REQUIRE(again.has_value());
    CHECK(again->text == unit.text);
    CHECK(again->digest == unit.digest);
    CHECK(again->service.exec_start == unit.service.exec_start);
    CHECK(again->service.exec_start[2] == "printf '%s\\n' \"a\"\n\tdone");
    CHECK(again->service.timeout_start == kForever);
    CHECK(again->environment->set == unit.environment->set);
    CHECK(again->service.kill_signal == unit.service.kill_signal);
}
