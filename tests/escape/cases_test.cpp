// The ways out that `jailsvc selftest` tries on the user's machine, under every shipped profile but
// `host`.

#include <catch2/catch.hpp>
#include <set>

#include "jail/jailed.hpp"
#include "selftest/report.hpp"
#include "selftest/stage.hpp"

using namespace jailsvc::test;
using namespace jailsvc::selftest;

TEST_CASE("escape: no known way leads out of a jail of a shipped profile",
          "[escape][E2][E12][E13][E15][E16][E17][E18][E19][E20][E21][E22][E24][E26][E27][E28]"
          "[E29][E30][E8][E14][S2.14][S3.2]") {
    if (!can_jail()) return;
    Stage stage(JAILSVC_ATTACKER);
    std::vector<Try> all;
    for (const Case& what : cases()) {
        const auto tries = stage.attempt(what, profiles());
        CHECK(tries.size() == profiles().size());
        for (const Try& one : tries) {
            INFO(what.name << " in " << one.profile << ": " << one.why);
            CHECK(one.outcome != Try::Outcome::kEscaped);
        }
        all.insert(all.end(), tries.begin(), tries.end());
    }
    const Counts counts = count(all);
    CHECK(counts.held > 2 * counts.skipped);
    if (counts.skipped > 0) WARN("skipped: " << last_line(all));
}

TEST_CASE("escape: what limits hold is free where a unit sets none", "[escape][E30][S2.14]") {
    if (!can_jail()) return;
    Stage stage(JAILSVC_ATTACKER);
    std::size_t limits = 0;
    for (Case what : cases()) {
        if (what.jail.empty()) continue;
        ++limits;
        what.jail.clear();
        const auto free = stage.attempt(what, {{"default", ""}});
        REQUIRE(free.size() == 1);
        INFO(what.name << ": " << free[0].why);
        CHECK(free[0].outcome != Try::Outcome::kHeld);  // skipped: the machine is too busy for it
    }
    CHECK(limits >= 4);
}

TEST_CASE("escape: a way out that works is told", "[escape]") {
    if (!can_jail()) return;
    // What a unit may give away; a trick that does no harm.
    const Case right{
        .name = "right", .number = "E28", .about = "has a capability", .trick = "has-capability"};
    const std::vector<Profile> generous{
        {"trusted", "[jail.identity]\nuser = \"root\"\ncapabilities = [\"net_raw\"]\n"},
        {"default", ""}};
    const Case impossible{.name = "none",
                          .number = "E0",
                          .about = "does not work",
                          .trick = "opens-for-reading /no/such/file"};
    Stage stage(JAILSVC_ATTACKER);
    auto tries = stage.attempt(right, generous);
    REQUIRE(tries.size() == 2);
    CHECK(tries[0].outcome == Try::Outcome::kEscaped);
    CHECK(tries[1].outcome == Try::Outcome::kHeld);
    CHECK(to_text(tries).starts_with("NOT HELD  E28  right"));
    const auto none = stage.attempt(impossible, {{"default", ""}});
    REQUIRE(none.size() == 1);
    CHECK(none[0].outcome == Try::Outcome::kSkipped);
    tries.push_back(none[0]);
    CHECK(last_line(tries).starts_with("2 tried, 1 held, 1 skipped (1: does not work here "));
    CHECK(to_json(tries).find("\"outcome\": \"not held\"") != std::string::npos);
}
