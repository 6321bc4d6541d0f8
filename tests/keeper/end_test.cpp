// The end of everything: who asks for it, how long it may take, and that nothing is left.
#include <signal.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "three.hpp"

using namespace jailsvc;
using test::as;
using test::roundtrip;
using test::run_program;
using test::Three;

namespace {

bool can_make_namespaces() {
    return ::geteuid() == 0;
}

}  // namespace

TEST_CASE("keeper: without /proc the end still reaches every service", "[keeper][process]") {
    if (!can_make_namespaces()) {
        WARN("skipped: a keeper as PID 1 needs root for its namespaces");
        return;
    }
    Three three(test::As::kInitWithoutProc);
    auto& [keeper, jailer, engine, logger] = three;
    const Fd registered = run_program(jailer, 1).pidfd;
    Fd unregistered;
    (void)jailer.ask("g", &unregistered);
    roundtrip(jailer, engine, "web");
    engine.say(ipc::make<ipc::ShutdownDone>());
    CHECK(keeper.exit_code() == 0);
    CHECK(test::has_ended(registered));
    CHECK(test::has_ended(unregistered));
}

TEST_CASE("keeper: SIGTERM asks the engine, and its answer ends everything in order",
          "[keeper][process]") {
    const auto as_what =
        GENERATE(test::As::kSubreaper, test::As::kInit, test::As::kInitWithoutProc);
    if (as_what != test::As::kSubreaper && !can_make_namespaces()) {
        WARN("skipped: a keeper as PID 1 needs root for its namespaces");
        return;
    }
    Three three(as_what);
    auto& [keeper, jailer, engine, logger] = three;
    ipc::Packet packet;
    CHECK(jailer.ask("o 300") == 300);
    keeper.wait_for_children(3);
    REQUIRE(::access((keeper.state() + "/run/control").c_str(), F_OK) == 0);

    keeper.signal(SIGTERM);
    engine.next(packet);
    const auto& shutdown = as<ipc::Shutdown>(packet);
    CHECK(shutdown.kind == ipc::ShutdownKind::kExit);
    CHECK(shutdown.signal == SIGTERM);
    auto done = ipc::make<ipc::ShutdownDone>();
    done.exit_code = 17;
    engine.say(done);
    jailer.expect_end();
    logger.expect_end();
    for (test::Role* role : {&jailer, &engine, &logger}) role->control = Fd();  // they leave
    CHECK(keeper.exit_code() == 17);
    CHECK(::access((keeper.state() + "/run/control").c_str(), F_OK) != 0);
}

TEST_CASE("keeper: without an answer a second signal hurries, and what is left is killed",
          "[keeper]") {
    Three three;
    auto& [keeper, jailer, engine, logger] = three;
    ipc::Packet packet;
    const Fd service = run_program(jailer, 1).pidfd;
    Fd unregistered;
    (void)jailer.ask("g", &unregistered);

    keeper.signal(SIGINT);
    engine.next(packet);
    const std::uint64_t first = as<ipc::Shutdown>(packet).deadline_ns;
    // The engine says how long it takes, and who asks again does not wait for that.
    auto stopping = ipc::make<ipc::Stopping>();
    stopping.deadline_ns = first + 1'000'000'000'000;
    engine.say(stopping);
    engine.drained();
    keeper.signal(SIGPWR);  // asks, and does not hurry
    engine.next(packet);
    CHECK(as<ipc::Shutdown>(packet).deadline_ns == stopping.deadline_ns);
    stopping.deadline_ns = ~std::uint64_t{0};
    engine.say(stopping);
    engine.drained();
    keeper.signal(SIGPWR);
    engine.next(packet);
    CHECK(as<ipc::Shutdown>(packet).deadline_ns < first + ipc::kLongestStopNs);
    keeper.signal(SIGINT);
    engine.next(packet);
    CHECK(as<ipc::Shutdown>(packet).deadline_ns < first);
    engine.say(stopping);
    CHECK(keeper.exit_code() == 1);
    CHECK(test::has_ended(service));
    CHECK(test::has_ended(unregistered));
}

TEST_CASE("keeper: an end that the engine announces is bounded, and no signal's hurry",
          "[keeper]") {
    Three three;
    auto& [keeper, jailer, engine, logger] = three;
    const Fd service = run_program(jailer, 1).pidfd;
    roundtrip(jailer, engine, "web");

    auto shutdown = ipc::make<ipc::Shutdown>();
    shutdown.deadline_ns = jailsvc::boottime_ns() + 1'000'000'000'000;
    engine.say(shutdown);
    engine.drained();
    SECTION("the first signal asks the engine again and leaves it its time") {
        ipc::Packet packet;
        keeper.signal(SIGTERM);
        engine.next(packet);
        CHECK(as<ipc::Shutdown>(packet).deadline_ns == shutdown.deadline_ns);
        engine.say(ipc::make<ipc::ShutdownDone>());
        CHECK(keeper.exit_code() == 0);
    }
    SECTION("when its time is over, what is left is ended") {
        shutdown.deadline_ns = jailsvc::boottime_ns();
        engine.say(shutdown);
        CHECK(keeper.exit_code() == 1);
    }
    CHECK(test::has_ended(service));
}
