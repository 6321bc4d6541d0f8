#include "enable.hpp"

#include <catch2/catch.hpp>

using namespace jailsvc;
using namespace jailsvc::ctl;

namespace {

using What = SiteChange::What;
using Names = std::vector<std::string>;

Json facts(const Names& wanted_by, bool enabled = true, bool masked = false) {
    return {{"wanted_by", wanted_by}, {"enabled", enabled}, {"masked", masked}};
}

/// What `jailsvcd installed` would say of a unit.
Json unit(const Json& now, const Json& plain, const char* kind = "unit", bool listed = true) {
    return {{"name", "web"}, {"kind", kind},     {"file", "/u/web.toml"}, {"loads", true},
            {"now", now},    {"listed", listed}, {"plain", plain}};
}

What what(Verb verb, const Json& of, const Names& by = {}) {
    const auto change = plan_change(verb, of, by);
    REQUIRE(change.has_value());
    return change->what;
}

std::string text(Verb verb, const Json& of, const Names& by = {}) {
    const auto change = plan_change(verb, of, by);
    REQUIRE(change.has_value());
    REQUIRE(change->what == What::kWrite);
    return change->text;
}

const Json kWanted = facts({"default"});
const Json kOff = facts({"default"}, false);
const Json kUnwanted = facts({});

}  // namespace

TEST_CASE("enable: the file says only what the unit does not say without it", "[ctl]") {
    CHECK(what(Verb::kEnable, unit(kWanted, kWanted)) == What::kNothing);
    CHECK(what(Verb::kEnable, unit(kOff, kWanted)) == What::kRemove);
    CHECK(text(Verb::kEnable, unit(kOff, kOff)).ends_with("[install]\nenabled = true\n"));
    CHECK(what(Verb::kDisable, unit(kOff, kOff)) == What::kNothing);
    CHECK(what(Verb::kDisable, unit(kWanted, kOff)) == What::kRemove);
    CHECK(text(Verb::kDisable, unit(kWanted, kWanted)).ends_with("[install]\nenabled = false\n"));
}

TEST_CASE("enable: what nothing wants needs to be told who shall", "[ctl]") {
    const auto refused = plan_change(Verb::kEnable, unit(kUnwanted, kUnwanted), {});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("jailsvc enable web --by default") != std::string::npos);
    CHECK(text(Verb::kEnable, unit(kUnwanted, kUnwanted), {"a", "b@1"})
              .ends_with("[install]\nenabled = true\nwanted_by = [\"a\",\"b@1\"]\n"));
    // Disabled again it is what it was.
    CHECK(what(Verb::kDisable, unit(facts({"a"}), kUnwanted)) == What::kRemove);
    CHECK(what(Verb::kDisable, unit(kUnwanted, kUnwanted)) == What::kNothing);
}

TEST_CASE("enable: by another target, and by its own again", "[ctl]") {
    CHECK(what(Verb::kEnable, unit(kWanted, kWanted), {"default"}) == What::kNothing);
    CHECK(what(Verb::kEnable, unit(kWanted, kWanted), {"late"}) == What::kWrite);
    CHECK(what(Verb::kEnable, unit(facts({"late"}), kWanted), {"default"}) == What::kRemove);
}

TEST_CASE("enable: an instance needs the file, which is why it is loaded", "[ctl]") {
    const Json fresh = unit(kWanted, kWanted, "instance", false);
    CHECK(install_state(fresh) == "disabled");
    CHECK(what(Verb::kDisable, fresh) == What::kNothing);
    CHECK(text(Verb::kEnable, fresh).ends_with("enabled = true\n"));
    const Json enabled = unit(kWanted, kWanted, "instance", true);
    CHECK(install_state(enabled) == "enabled");
    CHECK(what(Verb::kEnable, enabled) == What::kNothing);
    CHECK(text(Verb::kDisable, enabled).ends_with("enabled = false\n"));
    CHECK(text(Verb::kEnable, unit(kOff, kWanted, "instance", true)).ends_with("= true\n"));
}

TEST_CASE("enable: masks", "[ctl]") {
    const Json masked = facts({"default"}, true, true);
    CHECK(install_state(unit(masked, kWanted)) == "masked");
    CHECK(text(Verb::kMask, unit(kWanted, kWanted)).ends_with("[unit]\nmasked = true\n"));
    CHECK(what(Verb::kMask, unit(masked, masked)) == What::kNothing);
    CHECK(what(Verb::kUnmask, unit(masked, kWanted)) == What::kRemove);
    CHECK(text(Verb::kUnmask, unit(masked, masked)).ends_with("[unit]\nmasked = false\n"));
    CHECK(what(Verb::kUnmask, unit(kWanted, kWanted)) == What::kNothing);
    CHECK(what(Verb::kMask, unit(kWanted, masked)) == What::kRemove);
}

TEST_CASE("enable: a unit that cannot be read can be kept from starting alone", "[ctl]") {
    Json broken = unit(kUnwanted, kUnwanted);
    broken["loads"] = false;
    const auto refused = plan_change(Verb::kEnable, broken, {});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == kNotConfigured);
    CHECK(what(Verb::kDisable, broken) == What::kWrite);
    CHECK(what(Verb::kMask, broken) == What::kWrite);
    CHECK(what(Verb::kUnmask, broken) == What::kRemove);
}
