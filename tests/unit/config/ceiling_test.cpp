#include <catch2/catch.hpp>

#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

/// What becomes of a unit with these keys under that ceiling.
std::string under(const std::string& ceiling, const std::string& keys,
                  const std::string& name = "web") {
    const UnitTree tree;
    tree.write("ceiling.toml", ceiling);
    tree.write("etc/web.toml", "[service]\nexec_start = [\"/bin/web\"]\n" + keys);
    tree.write("etc/web@.toml", "[service]\nexec_start = [\"/bin/web\"]\n" + keys);
    return load_errors(tree, name);
}

bool refuses(const std::string& ceiling, const std::string& keys, const std::string& why) {
    const std::string said = under(ceiling, keys);
    INFO(said);
    CHECK(said.find(why) != std::string::npos);
    return said != "loaded";
}

}  // namespace

TEST_CASE("ceiling: a key beyond its bound is refused where it stands", "[config]") {
    const std::string ceiling = "[jail.identity]\nno_new_privileges = true\n";
    CHECK(under(ceiling, "").find("loaded") == 0);
    const std::string said = under(ceiling, "[jail.identity]\nno_new_privileges = false\n");
    CHECK(said.starts_with("etc/web.toml:4:"));
    CHECK(said.find("[jail.identity] no_new_privileges: it is false; the site allows true (") !=
          std::string::npos);
    CHECK(said.find("ceiling.toml:2)") != std::string::npos);
}

TEST_CASE("ceiling: words, sizes, durations, numbers and tables are bounded", "[config]") {
    struct Case {
        const char* bound;
        const char* within;
        const char* beyond;
        const char* why;
    };
    const auto one = GENERATE(
        Case{"[jail]\nprofile = [\"default\", \"small\"]", "", "[jail]\nprofile = \"open\"",
             "[jail] profile: \"open\" is not among them; the site allows default small"},
        Case{"[jail]\noptional = []", "", "[jail]\noptional = [\"identity\"]", "allows nothing"},
        Case{"[jail.chroot]\nbinds = [\"/a\", \"/b\"]", "[jail.chroot]\nbinds = [\"/b\"]",
             "[jail.chroot]\nbinds = [\"/b\", \"/c\"]", "\"/c\" is not among them"},
        Case{"[jail.chroot]\ntmp_size = \"1M\"", "[jail.chroot]\ntmp_size = \"1024K\"",
             "[jail.chroot]\ntmp_size = \"1025K\"",
             "\"1025K\" is more; the site allows at most 1M"},
        Case{"[jail.chroot]\ntmp_size = 4096", "[jail.chroot]\ntmp_size = 1",
             "[jail.chroot]\ntmp_size = 0", "0 means no limit"},
        Case{"[jail.chroot]\ngrace = \"1min\"", "[jail.chroot]\ngrace = 60",
             "[jail.chroot]\ngrace = \"infinity\"", "\"infinity\" is more"},
        Case{"[jail.identity]\numask = 63", "[jail.identity]\numask = 63",
             "[jail.identity]\numask = 64", "\"64\" is more; the site allows at most 63"},
        Case{"[jail.identity]\nuser = \"web db\"", "[jail.identity]\nuser = \"db\"",
             "[jail.identity]\nuser = \"root\"", "\"root\" is not among them"},
        Case{"[jail.identity]\nuser = \"50%\"", "[jail.identity]\nuser = \"20%\"",
             "[jail.identity]\nuser = \"200%\"", "\"200%\" is more; the site allows at most 50%"},
        Case{"[jail.identity.limits]\nnofile = 100", "[jail.identity.limits]\nnofile = \"50:100\"",
             "[jail.identity.limits]\nnofile = \"50:infinity\"", "nofile: \"infinity\" is more"},
        Case{"[jail.identity.limits]\nnofile = 100", "[jail.identity.limits]\nnofile = \"99\"",
             "[jail.identity.limits]\ncore = \"0\"", "nofile is not set"});
    INFO(one.bound);
    INFO(one.beyond);
    CHECK(under(one.bound, one.within) == "loaded");
    CHECK(refuses(one.bound, one.beyond, one.why));
}

TEST_CASE("ceiling: what is not said counts with its default, or as no limit", "[config]") {
    CHECK(refuses("[jail.chroot]\ntmp_size = \"1M\"", "", "tmp_size: it is not set; the site"));
    CHECK(refuses("[jail]\nprofile = [\"small\"]", "", "\"default\" is not among them"));
}

TEST_CASE("ceiling: profiles and drop-ins are bounded too, targets have no jail", "[config]") {
    const UnitTree tree;
    tree.write("ceiling.toml", "[jail.identity]\nno_new_privileges = true\n");
    tree.write("profiles/open.toml", "[jail.identity]\nno_new_privileges = false\n");
    tree.write("etc/web.toml", "[service]\nexec_start = [\"/bin/web\"]\n");
    tree.write("etc/all.toml", "[unit]\nwants = [\"web\"]\n");
    CHECK(load_errors(tree, "web") == "loaded");
    CHECK(load_errors(tree, "all") == "loaded");
    tree.write("etc/web.toml.d/10.toml", "[jail]\nprofile = \"open\"\n");
    CHECK(load_errors(tree, "web").starts_with("profiles/open.toml:2:"));
    tree.write("etc/web.toml.d/20.toml", "[jail.identity]\nno_new_privileges = true\n");
    CHECK(load_errors(tree, "web") == "loaded");
}

TEST_CASE("ceiling: a bound on promises holds for added ones, and asks that they be enforced",
          "[config]") {
    const std::string ceiling = "[jail.pledge]\npromises = \"stdio rpath\"\n";
    const std::string unit = "[jail.pledge]\npromises = \"stdio\"\n";
    CHECK(under(ceiling, unit) == "loaded");
    CHECK(under(ceiling, unit + "add = \"rpath\"\n") == "loaded");
    CHECK(under(ceiling, unit + "on_violation = \"kill\"\n") == "loaded");
    CHECK(refuses(ceiling, unit + "add = \"inet\"\n", "add: \"inet\" is not among them"));
    CHECK(refuses(ceiling, unit + "on_violation = \"log\"\n",
                  "on_violation: \"log\" is not among them; the site allows errno kill"));
    CHECK(refuses(ceiling, "[jail.pledge]\npromises = \"any\"\n", "\"any\" is not among them"));
    CHECK(refuses(ceiling, "", "promises: it is not set"));
    // Until main the loader has what it needs, promised or not.
    CHECK(under(ceiling, unit + "stage = \"exec\"\n") == "loaded");
    CHECK(refuses(ceiling, unit + "stage = \"main\"\n",
                  "stage: \"main\" is not among them; the site allows exec"));
    CHECK(under(ceiling, unit + "drop = \"rpath\"\n") == "loaded");  // less is always within
    // Unless the site says otherwise.
    CHECK(under(ceiling + "stage = [\"exec\", \"main\"]\n", unit + "stage = \"main\"\n") ==
          "loaded");
    CHECK(under(ceiling + "on_violation = [\"log\"]\nadd = \"inet\"\n",
                unit + "on_violation = \"log\"\nadd = \"inet\"\n") == "loaded");
}

TEST_CASE("ceiling: what is bounded cannot be given up", "[config][S2.10]") {
    const std::string ceiling =
        "[jail.identity]\nuser = \"web\"\n[jail.identity.limits]\nnofile = 9\n";
    const std::string within = "[jail.identity]\nuser = \"web\"\nlimits = { nofile = \"9\" }\n";
    const auto giving_up = [&](const char* what) {
        return "[jail]\noptional = [\"" + std::string(what) + "\"]\n" + within;
    };
    CHECK(under(ceiling, within) == "loaded");
    CHECK(refuses(ceiling, giving_up("identity"),
                  "etc/web.toml:4:13: [jail] optional: \"identity\" would give up what the site "
                  "bounds by [jail.identity]"));
    CHECK(refuses(ceiling, giving_up("identity.umask"), "\"identity.umask\" would give up"));
    CHECK(under(ceiling, giving_up("chroot")) == "loaded");  // control: not bounded
    CHECK(under(ceiling, giving_up("pledge")) == "loaded");
    // The site itself may say what is not needed.
    const std::string free = "[jail]\noptional = [\"identity\"]\n" + ceiling;
    CHECK(under(free, giving_up("identity")) == "loaded");
    CHECK(refuses(free, giving_up("chroot"), "\"chroot\" is not among them"));
}

TEST_CASE("ceiling: named units and instances of named templates are free", "[config]") {
    const std::string bound = "[jail.identity]\nno_new_privileges = true\n";
    const std::string breach = "[jail.identity]\nno_new_privileges = false\n";
    CHECK(under("except = [\"web\"]\n" + bound, breach) == "loaded");
    CHECK(under("except = [\"web\"]\n" + bound, breach, "web@1") != "loaded");
    CHECK(under("except = [\"web@\"]\n" + bound, breach, "web@1") == "loaded");
    CHECK(under("except = [\"web@\"]\n" + bound, breach) != "loaded");
}

TEST_CASE("ceiling: one that cannot be understood lets no unit load", "[config]") {
    for (const char* broken :
         {"[jail", "[service]\nnice = 1", "[jail.identity]\nusr = \"a\"", "[jail.nosuch]\na = 1",
          "[jail.identity]\nno_new_privileges = \"yes\"", "[jail.chroot]\ntmp_size = \"lots\"",
          "[jail.chroot]\nbinds = [1]", "[jail.identity]\nlimits = 5", "except = \"web\"",
          "except = [\"../x\"]", "jail = 1"}) {
        const std::string said = under(broken, "");
        INFO(broken);
        INFO(said);
        CHECK(said.starts_with("ceiling.toml:"));
    }
    const UnitTree tree;
    tree.write("etc/web.toml", "[service]\nexec_start = [\"/bin/web\"]\n");
    tree.write("ceiling.toml", "");
    REQUIRE(::chmod(tree.path("ceiling.toml").c_str(), 0666) == 0);
    CHECK(load_errors(tree, "web").find("writable by group or others") != std::string::npos);
    const auto all = load_all(tree.sources(), test_schema());
    CHECK(all.units.empty());
    CHECK(all.broken.contains(tree.path("ceiling.toml")));
}

TEST_CASE("ceiling: it is verified as what it is, a unit of that name as a unit", "[config]") {
    const UnitTree tree;
    tree.write("ceiling.toml", "[jail.identity]\nusr = \"web\"\n");
    tree.write("etc/ceiling.toml", "[jail.identity]\nusr = \"web\"\n");
    const auto verified = [&](const std::string& file) {
        return told(verify_file(tree.sources(), test_schema(), tree.path(file)), tree.path(""));
    };
    CHECK(verified("ceiling.toml") ==
          "ceiling.toml:2:1: \"usr\": no key of [jail.identity] that could be bounded\n");
    CHECK(verified("etc/ceiling.toml").find("did you mean") != std::string::npos);
}

TEST_CASE("ceiling: capabilities are compared by what they are, other words as written",
          "[config]") {
    const std::string some = "[jail.identity]\ncapabilities = [\"CAP_NET_RAW\", \"Kill\"]\n";
    const auto with = [](const char* words) {
        return "[jail.identity]\ncapabilities = [" + std::string(words) + "]\n";
    };
    CHECK(under(some, with("\"net_raw\"")) == "loaded");
    CHECK(under(some, with("\"cap_kill\", \"Cap_Net_Raw\"")) == "loaded");
    CHECK(refuses(some, with("\"CAP_SYS_ADMIN\""), "\"CAP_SYS_ADMIN\" is not among them"));
    CHECK(refuses(some, with("\"all\""), "\"all\" is not among them"));
    CHECK(under(with("\"all\""), with("\"sys_admin\"")) == "loaded");
    // No capability is called so: it names nothing, least of all everything.
    CHECK(refuses(with("\"CAP_ALL\""), with("\"sys_admin\""), "is not among them"));
    CHECK(refuses("[jail.chroot]\nbinds = [\"/a\"]\n", "[jail.chroot]\nbinds = [\"/A\"]\n",
                  "\"/A\" is not among them"));
}

TEST_CASE("ceiling: what is wrong with a key is told once, and not as a breach too", "[config]") {
    const std::string said =
        under("[jail.chroot]\ntmp_size = \"1M\"\n", "[jail.chroot]\ntmp_size = \"much\"\n");
    CHECK(said.find("\"much\" is no size") != std::string::npos);
    CHECK(said.find("ceiling") == std::string::npos);
    CHECK(refuses("[jail.chroot]\ntmp_size = \"1M\"\n", "[jail.chroot]\nmode = \"host\"\n",
                  "it is not set"));
}
