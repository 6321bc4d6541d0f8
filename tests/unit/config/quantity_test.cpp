#include "config/quantity.hpp"

#include <catch2/catch.hpp>
#include <csignal>

#include "config/jail_view.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"
#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;
using namespace std::chrono_literals;

TEST_CASE("config: durations are read exactly or not at all", "[config]") {
    const std::pair<const char*, Duration> good[] = {
        {"0", 0s},
        {"30", 30s},
        {"200ms", 200ms},
        {"1min 30s", 90s},
        {"1min30s", 90s},
        {"1.5h", 90min},
        {"2 days", 48h},
        {" 5 s ", 5s},
        {"0.000000001", 1ns},
        {"1us 1ns", 1001ns},
        {"infinity", kForever},
        {"1w", 168h},
    };
    for (const auto& [text, duration] : good) {
        INFO(text);
        CHECK(parse_duration(text).value() == duration);
    }
    for (const char* text : {"", " ", "s", "-1", "+1", "1x", "1.", ".5", "1..5", "1e3", "1 2 x",
                             "infinity 1s", "99999999999999999999", "9223372036854775807ns",
                             "9223372037s", "300000w", "1s\n", "٣s"}) {
        INFO(text);
        CHECK_FALSE(parse_duration(text).has_value());
    }
    for (const Duration duration : {Duration(0s), Duration(1ns), Duration(90061s), Duration(1500ms),
                                    kForever, Duration(kForever.count() - 1)}) {
        CHECK(parse_duration(format_duration(duration)).value() == duration);
    }
}

TEST_CASE("config: sizes are read exactly or not at all", "[config]") {
    const std::pair<const char*, std::uint64_t> good[] = {
        {"0", 0},       {"100", 100},         {"4K", 4096},
        {"4KiB", 4096}, {"512M", 512U << 20}, {"1 G", 1U << 30},
        {"7B", 7},      {"7E", 7ULL << 60},   {"9223372036854775807", INT64_MAX},
    };
    for (const auto& [text, bytes] : good) {
        INFO(text);
        CHECK(parse_bytes(text).value() == bytes);
        CHECK(parse_bytes(format_bytes(bytes)).value() == bytes);
    }
    for (const char* text : {"", "M", "-1", "1.5M", "1m", "1X", "1MM", "iB", "1iB", "8E", "8192P",
                             "9223372036854775808", "99999999999999999999"}) {
        INFO(text);
        CHECK_FALSE(parse_bytes(text).has_value());
    }
}

TEST_CASE("config: names of units are short and plain", "[config]") {
    for (const char* name : {"a", "web", "a.b-c_d:e", "worker@3", "9"}) CHECK(is_unit_name(name));
    CHECK(is_unit_name(std::string(127, 'a')));
    for (const char* name :
         {"", ".a", "-a", "@a", "a@", "a@b@c", "a/b", "a b", "a\n", "ä", "..", "a%"}) {
        CHECK_FALSE(is_unit_name(name));
    }
    CHECK_FALSE(is_unit_name(std::string(128, 'a')));
}

TEST_CASE("config: the nearest word is suggested, a far one is not", "[config]") {
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("ab", "ba") == 1);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(nearest("exec_strat", {"exec_stop", "exec_start"}) == "exec_start");
    CHECK(nearest("colour", {"exec_stop", "exec_start"}).empty());
    CHECK(nearest("x", {"y"}).empty());
    CHECK(nearest(std::string(100'000, 'a'), {"a"}).empty());
    CHECK(join_or({"a", "b", "c"}) == "\"a\", \"b\" or \"c\"");
    CHECK(shown("a\033b") == "\"a?b\"");
    CHECK(shown(std::string(79, 'a') + "é").size() == 2 + 79 + 3);
}

TEST_CASE("config: a plugin sees its own table, typed", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml",
               "[service]\nexec_start = [\"/bin/x\"]\n[jail.chroot]\nmode = \"host\"\n"
               "binds = [\"/a\", \"/b\"]\ntmp_size = \"2M\"\ngrace = 0.25\n"
               "[jail.identity]\numask = 18\n[jail.identity.limits]\nnofile = 9\ncore = \"0\"\n");
    const Unit unit = loaded(tree, "web");
    const auto chroot = JailView::open(unit, "jail.chroot");
    REQUIRE(chroot.has_value());
    CHECK(chroot->present());
    CHECK(chroot->get_string("mode") == "host");
    CHECK(chroot->get_list("binds") == std::vector<std::string>{"/a", "/b"});
    CHECK(chroot->get_bytes("tmp_size") == 2U << 20);
    CHECK(chroot->get_duration("grace") == 250'000'000U);
    CHECK_FALSE(chroot->get_string("absent").has_value());
    CHECK_FALSE(chroot->get_bool("mode").has_value());
    const auto identity = JailView::open(unit, "jail.identity");
    REQUIRE(identity.has_value());
    CHECK(identity->get_bool("no_new_privileges") == true);
    CHECK(identity->get_integer("umask") == 18);
    CHECK(identity->get_map("limits") ==
          std::map<std::string, std::string>{{"core", "0"}, {"nofile", "9"}});
    CHECK_FALSE(JailView::open(unit, "jail.network")->present());
}
