#include "keeper/strays.hpp"

#include <catch2/catch.hpp>
#include <memory>

#include "keeper/keeper.hpp"

using namespace jailsvc;
using namespace jailsvc::keeper;

namespace {

ipc::Ending ending(int status) {
    ipc::Ending message{};
    message.status = status;
    return message;
}

}  // namespace

TEST_CASE("strays: an unknown exit waits as long as an intent is open", "[keeper]") {
    const auto strays = std::make_unique<Strays>();
    ipc::Ending found{};
    strays->open(1, 1000);
    strays->add(50, ending(3));
    strays->settle(1001);
    REQUIRE(strays->take(50, found));
    CHECK(found.status == 3);
    CHECK_FALSE(strays->take(50, found));

    SECTION("without an intent it is an orphan and forgotten") {
        strays->close(1);
        strays->add(51, ending(0));
        strays->settle(1002);
        CHECK_FALSE(strays->take(51, found));
    }
    SECTION("an intent that is never closed ends by itself") {
        strays->add(52, ending(0));
        strays->settle(1000 + Strays::kIntentNs - 1);
        CHECK(strays->take(52, found));
        strays->add(52, ending(0));
        CHECK(strays->expiry_ns() == 1000 + Strays::kIntentNs);
        strays->settle(1000 + Strays::kIntentNs);
        CHECK_FALSE(strays->take(52, found));
        CHECK(strays->expiry_ns() == 0);
    }
}

TEST_CASE("strays: of two exits with one pid the newest is taken", "[keeper]") {
    const auto strays = std::make_unique<Strays>();
    ipc::Ending found{};
    strays->open(1, 0);
    strays->add(50, ending(1));
    strays->add(60, ending(2));
    strays->add(50, ending(3));
    REQUIRE(strays->take(50, found));
    CHECK(found.status == 3);
    REQUIRE(strays->take(50, found));
    CHECK(found.status == 1);
    REQUIRE(strays->take(60, found));
}

TEST_CASE("strays: it says when it is full, and the newest intent counts", "[keeper]") {
    const auto strays = std::make_unique<Strays>();
    strays->open(1, 1);
    strays->open(2, 2);
    strays->close(1);
    CHECK(strays->expiry_ns() == 2 + Strays::kIntentNs);
    for (std::size_t i = 0; i < Strays::kCapacity; ++i) {
        REQUIRE(strays->room());
        strays->add(static_cast<pid_t>(i + 2), ending(0));
    }
    CHECK_FALSE(strays->room());
    strays->close_all();
    strays->settle(0);
    CHECK(strays->room());
}

TEST_CASE("restart: the delay doubles from 100 ms to 30 s and starts over after 1 s up",
          "[keeper]") {
    std::uint64_t expected = kFirstDelayNs;
    std::uint64_t delay = 0;
    for (int i = 0; i < 12; ++i) {
        delay = next_delay(delay, 1000);
        CHECK(delay == expected);
        expected = std::min(expected * 2, kLongestDelayNs);
    }
    CHECK(next_delay(delay, kStableNs) == kFirstDelayNs);
    CHECK(next_delay(kFirstDelayNs, kStableNs - 1) == 2 * kFirstDelayNs);
}
