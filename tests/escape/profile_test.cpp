// What shipped profiles have in common, beyond the list of cases.

#include <catch2/catch.hpp>

#include "attack.hpp"
#include "selftest/cases.hpp"

using namespace jailsvc::test;
using jailsvc::selftest::Profile;

TEST_CASE("escape: no shipped profile but host and trusted lets a process make namespaces",
          "[escape][E13]") {
    if (!can_jail()) return;
    Attack attack;
    const std::string script = "unshare -U true && echo made";
    CHECK(attack.site().run(kHost, script).output == "made\n");
    for (const Profile& profile : jailsvc::selftest::profiles()) {
        if (profile.name == "trusted" || profile.name == "minimal") continue;  // no unshare in it
        INFO(profile.name);
        const std::string unit = "[jail]\nprofile = \"" + profile.name + "\"\n" + profile.more;
        CHECK_FALSE(attack.site().run(unit, script).has("made"));
    }
}
