#include "jailer/jail/landlock_cure.hpp"

#include <catch2/catch.hpp>

using namespace jailsvc::jailer;
using Catch::Matchers::Contains;

TEST_CASE("landlock: what a kernel lacks is named by version, with the cure", "[jailer][unveil]") {
    const landlock::Rights paths{landlock::kAllFs, 0, 0};
    CHECK(landlock_cure(paths, 2) ==
          "this kernel's Landlock has version 2, paths need 3 (Linux 6.2); list "
          "\"unveil.landlock\" in [jail] optional to do without it, or use a newer kernel");
    CHECK_THAT(landlock_cure({landlock::kAllFs, landlock::kTcp, landlock::kAllScopes}, 3),
               Contains("TCP ports need 4") && Contains("a scope needs 6") && !Contains("paths"));
    CHECK_THAT(landlock_cure({0, landlock::kConnectUdp, 0}, 9), Contains("UDP ports need 10"));
    CHECK_THAT(landlock_cure(paths, -95), Contains("has no Landlock") && Contains("lsm="));
}

TEST_CASE("landlock: each version knows what it brought", "[jailer][unveil]") {
    CHECK(landlock::known_rights(0).fs == 0);
    CHECK((landlock::known_rights(2).fs & landlock::kTruncate) == 0);
    CHECK(landlock::known_rights(9).net == landlock::kTcp);
    CHECK(landlock::known_rights(10).net == landlock::kAllNet);
    CHECK(landlock::known_rights(10).fs == landlock::kAllFs);
}
