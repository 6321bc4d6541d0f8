#include <catch2/catch.hpp>

#include "config/overlay.hpp"

using namespace jailsvc::config;

namespace {

Schema with_cgroups() {
    Schema schema = core_schema();
    schema.tables.push_back({.name = "jail.cgroups",
                             .doc = "",
                             .keys = {{.name = "memory_max", .type = KeyType::kBytes},
                                      {.name = "tasks_max", .type = KeyType::kInteger},
                                      {.name = "oom_group", .type = KeyType::kBool},
                                      {.name = "cpu_quota", .type = KeyType::kString},
                                      {.name = "io_max", .type = KeyType::kStringMap}},
                             .plugin = "cgroups"});
    return schema;
}

std::string overlay(const std::map<std::string, std::string>& pairs) {
    const auto text = to_overlay(with_cgroups(), pairs);
    if (text) return *text;
    std::string errors;
    for (const Diagnostic& one : text.error()) errors += one.message + '\n';
    return errors;
}

Document parsed(const std::string& text) {
    auto document = parse_overlay(with_cgroups(), text);
    REQUIRE(document);
    return *document;
}

constexpr const char* kUnit =
    "[jail]\nprofile = \"default\"\n\n[jail.cgroups]\ncpu_quota = \"50%\"\nmemory_max = \"1G\"\n\n"
    "[service]\nexec_start = [\"/bin/web\", \"# no comment\"]\n";

}  // namespace

TEST_CASE("overlay: what is typed becomes TOML of the key's type", "[config]") {
    CHECK(overlay({{"memory_max", "512M"},
                   {"tasks_max", "7"},
                   {"oom_group", "true"},
                   {"cpu_quota", "a\"b"},
                   {"io_max", "{\"8:0\" = \"rbps=1M\"}"}}) ==
          "[jail.cgroups]\ncpu_quota = \"a\\\"b\"\nmemory_max = \"512M\"\noom_group = true\n"
          "tasks_max = 7\n\n[jail.cgroups.io_max]\n\"8:0\" = \"rbps=1M\"\n");
}

TEST_CASE("overlay: what is no value of the key's is named with the cure", "[config]") {
    CHECK(overlay({{"memory_mx", "1"}}).find("did you mean \"memory_max\"?") != std::string::npos);
    CHECK(overlay({{"user", "root"}}).find("known are ") != std::string::npos);
    CHECK(overlay({{"tasks_max", "many"}}) == "tasks_max: \"many\" is no integer\n");
    CHECK(overlay({{"oom_group", "yes"}}) == "oom_group: \"yes\" is no \"true\" or \"false\"\n");
    CHECK(overlay({{"io_max", "8:0"}}).find("write {") != std::string::npos);
    CHECK(overlay({{"tasks_max", "5\n[jail.identity]"}}).find("more than one line") !=
          std::string::npos);
    // Each of them, at once.
    CHECK(overlay({{"tasks_max", "x"}, {"oom_group", "x"}}).find("oom_group") != std::string::npos);
}

TEST_CASE("overlay: only keys of the one table are taken", "[config]") {
    const Schema schema = with_cgroups();
    CHECK(parse_overlay(schema, "[jail.cgroups]\ntasks_max = 5\n"));
    for (const char* bad :
         {"", "[jail.cgroups]\n", "[jail]\nprofile = \"host\"\n[jail.cgroups]\ntasks_max = 5\n",
          "[service]\nexec_start = [\"/bin/sh\"]\n", "[jail.cgroups]\nmemory_max = \"lots\"\n",
          "[jail.cgroups\n"}) {
        CHECK_FALSE(parse_overlay(schema, bad));
    }
    CHECK_FALSE(parse_overlay(schema, std::string(kMaxOverlay + 1, '\n')));
}

TEST_CASE("overlay: a drop-in keeps what earlier ones set", "[config]") {
    const Schema schema = with_cgroups();
    const auto first = add_to_drop_in(schema, "", parsed("[jail.cgroups]\ntasks_max = 5\n"));
    REQUIRE(first);
    const auto second =
        add_to_drop_in(schema, *first, parsed("[jail.cgroups]\nmemory_max = \"1M\"\n"));
    REQUIRE(second);
    CHECK(second->ends_with("[jail.cgroups]\nmemory_max = \"1M\"\ntasks_max = 5\n"));
    CHECK_FALSE(add_to_drop_in(schema, "[service]\n", parsed("[jail.cgroups]\ntasks_max = 5\n")));
}

TEST_CASE("overlay: a unit's text with it is that unit's but for its keys", "[config]") {
    const Schema schema = with_cgroups();
    const std::string stamps = "# environment file /etc/web.env: inode 1\n";
    const auto over = put_over(schema, kUnit + stamps,
                               parsed("[jail.cgroups]\nmemory_max = \"2G\"\ntasks_max = 9\n"));
    REQUIRE(over);
    CHECK(*over ==
          "[jail]\nprofile = \"default\"\n\n[jail.cgroups]\ncpu_quota = \"50%\"\n"
          "memory_max = \"2G\"\ntasks_max = 9\n\n"
          "[service]\nexec_start = [\"/bin/web\", \"# no comment\"]\n" +
              stamps);
}
