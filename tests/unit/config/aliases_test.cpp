#include "config/aliases.hpp"

#include <catch2/catch.hpp>

using namespace jailsvc;
using namespace jailsvc::config;

TEST_CASE("aliases: relations name the unit itself, once", "[config]") {
    Unit db;
    db.name = "postgresql";
    db.install.alias = {"db", "database"};
    Aliases aliases;
    aliases.add(db);
    Unit web;
    web.name = "web";
    web.unit.requires_ = {"db"};
    web.unit.after = {"other", "database", "postgresql", "db"};
    web.install.wanted_by = {"default"};
    aliases.resolve(web);
    CHECK(web.unit.requires_ == std::vector<std::string>{"postgresql"});
    CHECK(web.unit.after == std::vector<std::string>{"other", "postgresql"});
    CHECK(web.install.wanted_by == std::vector<std::string>{"default"});
    CHECK(aliases.target("db") == "postgresql");
    CHECK(aliases.target("none") == "none");

    Unit second;
    second.name = "second";
    second.install.alias = {"db"};
    aliases.add(second);
    CHECK(aliases.target("db") == "postgresql");
}

TEST_CASE("aliases: what has the name already is told", "[config]") {
    Unit unit;
    unit.name = "a";
    unit.install.alias = {"a", "b", "c"};
    const auto found = alias_conflicts(unit, {}, [](const std::string& name) {
        return name == "b" ? std::optional<std::string>("a unit, /x/b.toml") : std::nullopt;
    });
    REQUIRE(found.size() == 2);
    CHECK(found[0].message.find("own name") != std::string::npos);
    CHECK(found[1].message.find("/x/b.toml") != std::string::npos);
}
