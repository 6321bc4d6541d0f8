#include "keeper/registry.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <vector>

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

ipc::Ending ending(int status) {
    ipc::Ending message{};
    message.status = status;
    message.ended_ns = 7;
    return message;
}

/// What would be sent to that role, and is done with then.
std::vector<ipc::Token> due(keeper::Registry& registry, ipc::Role role) {
    std::vector<ipc::Token> tokens;
    CHECK(registry.processes.send_due(role, [&](const ipc::Exited& process) {
        tokens.push_back(process.token);
        return true;
    }));
    return tokens;
}

using Tokens = std::vector<ipc::Token>;

struct Item {
    int number = 0;
    char text[100] = {};
};

}  // namespace

TEST_CASE("registry: an exit is kept until the engine acknowledges it", "[keeper]") {
    const auto registry = std::make_unique<keeper::Registry>();
    const std::size_t slot = registry->add(registration(11, 400));
    REQUIRE(slot != kNone);
    CHECK(registry->by_pid(400) == slot);
    registry->acknowledge(11);
    CHECK(registry->by_pid(400) == slot);  // it lives

    registry->end(slot, ending(9));
    CHECK(registry->by_pid(400) == kNone);
    CHECK(due(*registry, ipc::Role::kEngine) == Tokens{11});
    CHECK(due(*registry, ipc::Role::kEngine).empty());
    registry->processes.mark_snapshot(ipc::Role::kEngine);
    CHECK(due(*registry, ipc::Role::kEngine) == Tokens{11});
    CHECK(registry->processes[slot].status == 9);

    registry->processes.mark_snapshot(ipc::Role::kEngine);
    registry->acknowledge(11);
    CHECK(due(*registry, ipc::Role::kEngine).empty());
    CHECK(registry->processes.count() == 0);
    registry->acknowledge(11);
    registry->acknowledge(12345);
    registry->acknowledge(0);
    CHECK(registry->processes.count() == 0);
}

TEST_CASE("registry: a token is never taken twice while it is remembered", "[keeper]") {
    const auto registry = std::make_unique<keeper::Registry>();
    const std::size_t slot = registry->add(registration(11, 400));
    CHECK(registry->add(registration(11, 401)) == kNone);
    registry->end(slot, ending(0));
    CHECK(registry->add(registration(11, 402)) == kNone);
    registry->acknowledge(11);
    CHECK(registry->add(registration(11, 403)) != kNone);
}

TEST_CASE("registry: refuses what cannot be, and a second token for a living pid", "[keeper]") {
    const auto registry = std::make_unique<keeper::Registry>();
    for (const pid_t pid : {0, 1, -1, keeper::kMaxPid + 1}) {
        CHECK(registry->add(registration(11, pid)) == kNone);
    }
    CHECK(registry->add(registration(0, 400)) == kNone);
    const std::size_t slot = registry->add(registration(11, keeper::kMaxPid));
    REQUIRE(slot != kNone);
    CHECK(registry->add(registration(12, keeper::kMaxPid)) == kNone);
    CHECK(registry->by_pid(keeper::kMaxPid) == slot);
    registry->end(slot, ending(0));  // the number is free again, whoever has still to hear of it
    CHECK(registry->add(registration(12, keeper::kMaxPid)) != kNone);
}

TEST_CASE("registry: a stub is shown to the jailer alone and forgotten at its end", "[keeper]") {
    const auto registry = std::make_unique<keeper::Registry>();
    const ipc::Token token = 5 | ipc::kStubBit;
    const std::size_t slot = registry->add(registration(token, 77));
    for (const auto role : {ipc::Role::kEngine, ipc::Role::kJailer, ipc::Role::kLogger}) {
        registry->processes.mark_snapshot(role);
    }
    CHECK(due(*registry, ipc::Role::kEngine).empty());
    CHECK(due(*registry, ipc::Role::kLogger).empty());
    CHECK(due(*registry, ipc::Role::kJailer) == Tokens{token});
    registry->processes.mark_snapshot(ipc::Role::kJailer);
    registry->end(slot, ending(9));
    CHECK(due(*registry, ipc::Role::kJailer).empty());
    CHECK(registry->processes.count() == 0);
}

TEST_CASE("registry: a full table refuses, and takes again what becomes free", "[keeper]") {
    const auto registry = std::make_unique<keeper::Registry>();
    constexpr auto kAll = static_cast<int>(keeper::Registry::kCapacity);
    for (int i = 2; i <= kAll + 1; ++i) {
        if (registry->add(registration(static_cast<ipc::Token>(i), i)) == kNone) FAIL(i);
    }
    CHECK(registry->add(registration(1'000'000, 1'000'000)) == kNone);
    registry->end(registry->by_pid(500), ending(0));
    registry->acknowledge(500);
    const std::size_t slot = registry->add(registration(1'000'000, 1'000'000));
    REQUIRE(slot != kNone);
    CHECK(registry->by_pid(1'000'000) == slot);
    CHECK(registry->by_pid(501) != kNone);
}

TEST_CASE("table: what is marked is sent lowest first, and stays marked when it cannot",
          "[keeper]") {
    const auto role = ipc::Role::kJailer;
    const auto kJailerOnly = keeper::bit(role);
    const auto table = std::make_unique<keeper::Table<Item, 8>>();
    for (int i = 0; i < 8; ++i) CHECK(table->add(100, kJailerOnly, {i}) != kNone);
    CHECK(table->add(100, kJailerOnly, {}) == kNone);
    std::vector<int> sent;
    std::size_t room = 2;
    const auto send = [&](const Item& item) {
        if (sent.size() == room) return false;
        sent.push_back(item.number);
        return true;
    };
    for (const std::size_t slot : {6U, 2U, 4U}) table->mark(role, slot);
    table->mark(role, 4);  // twice is once
    CHECK_FALSE(table->send_due(role, send));
    CHECK(sent == std::vector{2, 4});
    room = 9;
    table->mark(role, 0);
    table->mark(role, 1);
    table->remove(1);
    CHECK(table->send_due(role, send));
    CHECK(sent == std::vector{2, 4, 0, 6});
    CHECK(table->send_due(ipc::Role::kEngine, send));
    CHECK(sent.size() == 4);
    CHECK(table->add(7, kJailerOnly, {}) == 1);
    CHECK((*table)[1].number == 0);
    CHECK(table->find(7) == 1);
    CHECK(table->find(100, 1) == 2);
    for (const std::size_t slot : {7U, 6U}) table->remove(slot);
    CHECK(table->find(100, 6) == kNone);
    CHECK(table->add(9, kJailerOnly, {}) == 6);
    CHECK(table->count() == 7);
}

TEST_CASE("table: an item comes back whole, in a slot that another one had too", "[keeper]") {
    const auto table = std::make_unique<keeper::Table<Item, 8>>();
    Item whole{.number = 1};
    std::memset(whole.text, 'x', sizeof whole.text);
    REQUIRE(table->add(7, 0, whole) == 0);
    CHECK(std::memcmp((*table)[0].text, whole.text, sizeof whole.text) == 0);
    table->remove(0);
    REQUIRE(table->add(7, 0, {}) == 0);
    CHECK(std::memcmp((*table)[0].text, Item{}.text, sizeof whole.text) == 0);
}
