#include "keeper/registry.hpp"

#include <catch2/catch.hpp>
#include <memory>

#include "ipc/channel.hpp"

using namespace jailsvc;
using keeper::kNone;

namespace {

ipc::Register registration(ipc::Token token, pid_t pid, const char* unit = "web") {
    auto message = ipc::make<ipc::Register>();
    message.token = token;
    message.pid = pid;
    message.purpose = ipc::Purpose::kMain;
    ipc::set_text(message.unit, unit);
    return message;
}

keeper::Ending ending(pid_t pid, int status) {
    return {pid, status, 7, 0, 0, 0};
}

}  // namespace

TEST_CASE("registry: an exit is kept until the engine acknowledges it", "[keeper]") {
    const auto registry = std::make_unique<keeper::Registry>();
    const std::size_t slot = registry->add(registration(11, 400));
    REQUIRE(slot != kNone);
    CHECK(registry->by_pid(400) == slot);
    CHECK_FALSE(registry->acknowledge(11));  // it lives

    registry->end(slot, ending(400, 9));
    CHECK(registry->by_pid(400) == kNone);
    CHECK(registry->slots.first_marked(ipc::Role::kEngine) == slot);
    registry->slots.unmark(ipc::Role::kEngine, slot);
    registry->mark_snapshot(ipc::Role::kEngine);
    CHECK(registry->slots.first_marked(ipc::Role::kEngine) == slot);

    CHECK(registry->acknowledge(11));
    CHECK(registry->by_token(11) == kNone);
    CHECK(registry->slots.first_marked(ipc::Role::kEngine) == kNone);
    CHECK_FALSE(registry->acknowledge(11));
    CHECK_FALSE(registry->acknowledge(12345));
}

TEST_CASE("registry: a token is never taken twice while it is remembered", "[keeper]") {
    const auto registry = std::make_unique<keeper::Registry>();
    const std::size_t slot = registry->add(registration(11, 400));
    CHECK(registry->add(registration(11, 401)) == kNone);
    registry->end(slot, ending(400, 0));
    CHECK(registry->add(registration(11, 402)) == kNone);
    REQUIRE(registry->acknowledge(11));
    CHECK(registry->add(registration(11, 403)) != kNone);
}

TEST_CASE("registry: a stub is shown to the jailer alone and forgotten at its end", "[keeper]") {
    const auto registry = std::make_unique<keeper::Registry>();
    const std::size_t slot = registry->add(registration(5 | ipc::kStubBit, 77));
    registry->mark_snapshot(ipc::Role::kEngine);
    registry->mark_snapshot(ipc::Role::kJailer);
    CHECK(registry->slots.first_marked(ipc::Role::kEngine) == kNone);
    CHECK(registry->slots.first_marked(ipc::Role::kJailer) == slot);
    registry->end(slot, ending(77, 9));
    CHECK(registry->slots.first_marked(ipc::Role::kJailer) == kNone);
    CHECK(registry->slots.count() == 0);
}

TEST_CASE("registry: a full table refuses, and takes again what becomes free", "[keeper]") {
    const auto registry = std::make_unique<keeper::Registry>();
    constexpr auto kAll = static_cast<int>(keeper::Registry::kCapacity);
    for (int i = 1; i <= kAll; ++i) {
        if (registry->add(registration(static_cast<ipc::Token>(i), i)) == kNone) FAIL(i);
    }
    CHECK(registry->add(registration(1'000'000, 1'000'000)) == kNone);
    registry->end(registry->by_pid(500), ending(500, 0));
    REQUIRE(registry->acknowledge(500));
    const std::size_t slot = registry->add(registration(1'000'000, 1'000'000));
    REQUIRE(slot != kNone);
    CHECK(registry->by_pid(1'000'000) == slot);
    CHECK(registry->by_pid(501) != kNone);
}

TEST_CASE("slots: marks are found lowest first and survive in any order", "[keeper]") {
    const auto slots = std::make_unique<keeper::Slots<int, 8>>();
    for (int i = 0; i < 8; ++i) (*slots)[slots->allocate()] = i;
    CHECK(slots->allocate() == kNone);
    const auto role = ipc::Role::kJailer;
    for (const std::size_t slot : {6U, 2U, 4U}) slots->mark(role, slot);
    slots->mark(role, 4);  // twice is once
    CHECK(slots->first_marked(role) == 2);
    slots->unmark(role, 2);
    CHECK(slots->first_marked(role) == 4);
    slots->mark(role, 0);
    CHECK(slots->first_marked(role) == 0);
    slots->release(0);
    slots->release(4);
    CHECK(slots->first_marked(role) == 6);
    slots->unmark(role, 6);
    CHECK(slots->first_marked(role) == kNone);
    CHECK(slots->first_marked(ipc::Role::kEngine) == kNone);
    CHECK(slots->allocate() == 4);
    CHECK((*slots)[4] == 0);
}
