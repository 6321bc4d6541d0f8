#include "keeper/strays.hpp"

#include <catch2/catch.hpp>
#include <memory>

#include "keeper/backoff.hpp"

using namespace jailsvc::keeper;

namespace {

Ending ending(pid_t pid, int status = 0) {
    return {pid, status, 0, 0, 0, 0};
}

}  // namespace

TEST_CASE("strays: an unknown exit waits as long as an intent is open", "[keeper]") {
    const auto strays = std::make_unique<Strays>();
    Ending found{};
    strays->open(1, 1000);
    strays->add(ending(50, 3));
    strays->settle(1001);
    REQUIRE(strays->take(50, found));
    CHECK(found.status == 3);
    CHECK_FALSE(strays->take(50, found));

    SECTION("without an intent it is an orphan and forgotten") {
        strays->close(1);
        strays->add(ending(51));
        strays->settle(1002);
        CHECK_FALSE(strays->take(51, found));
    }
    SECTION("an intent that is never closed ends by itself") {
        strays->add(ending(52));
        strays->settle(1000 + Strays::kIntentNs - 1);
        CHECK(strays->count() == 1);
        CHECK(strays->expiry_ns() == 1000 + Strays::kIntentNs);
        strays->settle(1000 + Strays::kIntentNs);
        CHECK(strays->count() == 0);
        CHECK(strays->expiry_ns() == 0);
    }
}

TEST_CASE("strays: of two exits with one pid the newest is taken", "[keeper]") {
    const auto strays = std::make_unique<Strays>();
    Ending found{};
    strays->open(1, 0);
    strays->add(ending(50, 1));
    strays->add(ending(60, 2));
    strays->add(ending(50, 3));
    REQUIRE(strays->take(50, found));
    CHECK(found.status == 3);
    REQUIRE(strays->take(50, found));
    CHECK(found.status == 1);
    REQUIRE(strays->take(60, found));
}

TEST_CASE("strays: it says when it is full, and more intents than fit push the oldest out",
          "[keeper]") {
    const auto strays = std::make_unique<Strays>();
    for (std::uint64_t token = 1; token <= Strays::kIntents + 5; ++token)
        strays->open(token, token);
    CHECK(strays->expiry_ns() == 6 + Strays::kIntentNs);
    for (std::size_t i = 0; i < Strays::kCapacity; ++i) {
        REQUIRE(strays->room());
        strays->add(ending(static_cast<pid_t>(i + 2)));
    }
    CHECK_FALSE(strays->room());
    strays->close_all();
    strays->settle(0);
    CHECK(strays->room());
}

TEST_CASE("backoff: doubles from 100 ms to 30 s and starts over after 10 s up", "[keeper]") {
    Backoff backoff;
    std::uint64_t expected = Backoff::kFirstNs;
    for (int i = 0; i < 12; ++i) {
        CHECK(backoff.after_death(1000) == expected);
        expected = std::min(expected * 2, Backoff::kLongestNs);
    }
    CHECK(backoff.after_death(Backoff::kStableNs) == Backoff::kFirstNs);
    CHECK(backoff.after_death(Backoff::kStableNs - 1) == 2 * Backoff::kFirstNs);
}
