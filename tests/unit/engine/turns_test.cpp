#include "engine/turns.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <vector>

using namespace jailsvc::engine;

namespace {

/// Users' calls on a loop of their own; `cost` is what each takes.
struct World {
    explicit World(std::uint64_t cost) : cost_ns(cost) {}
    struct Asking final : Turns::Waiter {
        Asking(World& its_world, uid_t of_user, int count)
            : world(its_world), user(of_user), calls(count) {}
        bool take_turn() override {
            world.answered.push_back(user);
            world.now_ns += world.cost_ns;
            ++taken;
            return --calls > 0;
        }
        World& world;
        uid_t user;
        int calls;
        int taken = 0;
    };

    std::uint64_t cost_ns;
    std::uint64_t now_ns = 0;
    std::unique_ptr<struct ev_loop, decltype(&ev_loop_destroy)> loop{ev_loop_new(0),
                                                                     ev_loop_destroy};
    std::vector<uid_t> answered;
    std::vector<std::unique_ptr<Asking>> asking;
    Turns turns{loop.get(), [this] { return now_ns; }};

    /// A connection with so many calls.
    Turns::Waiter& ask(uid_t user, int calls) {
        asking.push_back(std::make_unique<Asking>(*this, user, calls));
        turns.wait(user, *asking.back());
        return *asking.back();
    }
    /// Whom the next turn of the loop answers.
    std::multiset<uid_t> turn() {
        answered.clear();
        ev_run(loop.get(), EVRUN_NOWAIT);
        return {answered.begin(), answered.end()};
    }
};

constexpr int kMany = 10'000;

}  // namespace

TEST_CASE("turns: however many connections one user has, others have their share", "[engine]") {
    World world(0);
    for (int i = 0; i < 64; ++i) world.ask(1000, kMany);
    world.ask(1001, 1);
    world.ask(0, 1);
    const auto first = world.turn();
    CHECK(first.count(0) == 1);
    CHECK(first.count(1000) == 16);
    CHECK(world.turn() == std::multiset<uid_t>{1001});
    CHECK(world.turn().count(1000) == 16);  // control: who is alone has all turns
    CHECK(world.turn().count(1000) == 16);
}

TEST_CASE("turns: a long call is a share of its own", "[engine]") {
    World world(5'000'000);
    for (int i = 0; i < 64; ++i) world.ask(1000, kMany);
    world.ask(0, 1);
    world.ask(1001, 1);
    CHECK(world.turn() == std::multiset<uid_t>{0, 1000});
    CHECK(world.turn() == std::multiset<uid_t>{1001});
    CHECK(world.turn() == std::multiset<uid_t>{1000});
}

TEST_CASE("turns: many users together delay root by no more than one", "[engine]") {
    World world(0);
    for (uid_t user = 1000; user < 1064; ++user) world.ask(user, kMany);
    for (int i = 0; i < 10; ++i) CHECK(world.turn().size() == 16);
    world.ask(0, 1);
    const auto answered = world.turn();
    CHECK(answered.count(0) == 1);
    CHECK(answered.size() == 17);
    CHECK(world.answered.front() == 0);
}

TEST_CASE("turns: one user's connections are answered one after the other", "[engine]") {
    World world(0);
    world.ask(1000, kMany);
    world.ask(1000, 3);
    (void)world.turn();
    CHECK(world.asking[1]->taken == 3);
    CHECK(world.asking[0]->taken == 13);
}

TEST_CASE("turns: who has gone takes none", "[engine]") {
    World world(0);
    const auto& gone = world.ask(1000, kMany);
    world.ask(1000, 1);
    world.turns.forget(1000, gone);
    world.turns.forget(1001, gone);
    CHECK(world.turn().size() == 1);
    CHECK(world.asking[0]->taken == 0);
    world.turns.forget(1002, world.ask(1002, 1));
    CHECK(world.turn().empty());
    CHECK(ev_run(world.loop.get(), 0) == 0);
}

TEST_CASE("turns: where nobody waits nothing runs", "[engine]") {
    World world(0);
    world.ask(1000, 20);
    CHECK(world.turn().size() == 16);
    CHECK(ev_pending_count(world.loop.get()) == 0);
    CHECK(world.turn().size() == 4);
    CHECK(ev_run(world.loop.get(), 0) == 0);  // returns: no watcher is active
}
