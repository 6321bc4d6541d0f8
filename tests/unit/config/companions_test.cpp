#include "config/companions.hpp"

#include <catch2/catch.hpp>

#include "config/schema_text.hpp"
#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

Schema with_companion() {
    Schema schema = test_schema();
    schema.tables.push_back({.name = "jail.identity.guard",
                             .doc = "A table below another plugin's.",
                             .keys = {{.name = "allow", .type = KeyType::kStringList, .doc = "."}},
                             .plugin = "guard",
                             .companion = "keeper"});
    return schema;
}

std::vector<std::string> texts(const List<std::string>& list) {
    return {list.begin(), list.end()};
}

constexpr const char* kService = "[service]\nexec_start = [\"/bin/true\"]\n";

}  // namespace

TEST_CASE("companions: each unit's name has an instance's of its own, and back", "[config]") {
    const std::pair<const char*, const char*> kNames[] = {
        {"web", "web"},    {"job@3", "job_-3"}, {"a:b", "a_.b"},     {"a_b", "a__b"},
        {"a_-b", "a__-b"}, {"a__b", "a____b"},  {"x@y:z", "x_-y_.z"}};
    for (const auto& [unit, instance] : kNames) {
        INFO(unit);
        CHECK(companion_instance(unit) == instance);
        CHECK(unit_of_companion(instance) == unit);
        CHECK(is_unit_name(companion_of(unit, "egress")));
    }
    CHECK(companion_of("web", "egress") == "egress@web");
}

TEST_CASE("companions: a table that asks for one makes the unit want it, first", "[config]") {
    const Schema schema = with_companion();
    UnitTree tree;
    const std::string service = kService;
    tree.write("etc/plain.toml", service);
    tree.write("etc/web.toml", service + "[jail.identity]\nguard.allow = [\"a\"]\n");
    tree.write("etc/job@.toml",
               "[unit]\nwants = [\"db\"]\n" + service + "[jail.identity.guard]\nallow = [\"a\"]\n");
    tree.write("etc/keeper@.toml", "[unit]\npart_of = [\"%I\"]\n" + service);
    tree.write("etc/db.toml", service);

    const auto plain = load_unit(tree.sources(), schema, "plain");
    REQUIRE(plain);
    CHECK(plain->unit.wants.empty());
    const auto web = load_unit(tree.sources(), schema, "web");
    REQUIRE(web);
    CHECK(texts(web->unit.wants) == std::vector<std::string>{"keeper@web"});
    CHECK(texts(web->unit.after) == std::vector<std::string>{"keeper@web"});
    const auto job = load_unit(tree.sources(), schema, "job@3");
    REQUIRE(job);
    CHECK(texts(job->unit.wants) == std::vector<std::string>{"db", "keeper@job_-3"});
    const auto keeper = load_unit(tree.sources(), schema, "keeper@job_-3");
    REQUIRE(keeper);
    CHECK(texts(keeper->unit.part_of) == std::vector<std::string>{"job@3"});

    SECTION("the same unit comes out of its kept text") {
        const auto again = parse_effective(schema, "web", web->text.str());
        REQUIRE(again);
        CHECK(again->unit.wants == web->unit.wants);
        CHECK(again->digest == web->digest);
    }
    SECTION("it is loaded with the unit, as what people want is") {
        const auto all = load_all(tree.sources(), schema);
        CHECK(std::ranges::count(all.units, "keeper@web", &Unit::name) == 1);
    }
}

TEST_CASE("schema: a table below another's travels, and is where an editor looks", "[config]") {
    const Schema schema = with_companion();
    const auto read = tables_from_json(to_json({schema.tables.back()}));
    REQUIRE(read);
    CHECK(read->front().name == "jail.identity.guard");
    CHECK(read->front().companion == "keeper");
    CHECK_THAT(json_schema(schema), Catch::Contains("\"guard\": {"));
    for (const char* wrong :
         {"jail.Identity.guard", "jail..guard", "jail.a.b.c", "jail.identity."}) {
        INFO(wrong);
        CHECK_FALSE(is_plugin_table(wrong));
    }
}
