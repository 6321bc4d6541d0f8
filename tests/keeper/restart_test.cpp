// What an engine or jailer gets back that the keeper started again.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "three.hpp"

using namespace jailsvc;
using test::ack;
using test::as;
using test::greet;
using test::kEngine;
using test::kJailer;
using test::registration;
using test::roundtrip;
using test::run_program;
using test::Three;

TEST_CASE("keeper: a killed engine comes back to its records, socket, processes and exits",
          "[keeper]") {
    Three three;
    auto& [keeper, jailer, engine, logger] = three;
    ipc::Packet packet;
    const pid_t alive = run_program(jailer, 1).pid;
    const pid_t ended = run_program(jailer, 2).pid;
    roundtrip(jailer, engine, "web");
    ::kill(ended, SIGKILL);
    engine.next(packet);
    REQUIRE(as<ipc::Exited>(packet).token == 2);

    const pid_t first = engine.pid;
    for (const bool acknowledged : {false, true}) {
        ::kill(engine.pid, SIGKILL);
        engine = keeper.started("engine");
        CHECK(engine.pid != first);
        engine.hello(kEngine);
        int states = 0;
        int controls = 0;
        int exits = 0;
        int living = 0;
        int peers = 0;
        for (const auto& each : engine.snapshot()) {
            peers += each->as<ipc::Peer>() != nullptr;
            if (const auto* stored = each->as<ipc::Stored>()) {
                const Fd fd(each->take_fd(0));
                struct stat info{};
                REQUIRE(::fstat(fd.get(), &info) == 0);
                if (stored->kind == ipc::Kept::kControl && S_ISSOCK(info.st_mode)) ++controls;
                if (stored->kind != ipc::Kept::kState) continue;
                ++states;
                CHECK(info.st_size == static_cast<off_t>(ipc::kStateSize));
                CHECK(::ftruncate(fd.get(), 0) < 0);
                CHECK(::ftruncate(fd.get(), info.st_size * 2) < 0);
                // The negative control: only its size is sealed.
                CHECK(::pwrite(fd.get(), "x", 1, 0) == 1);
            }
            if (const auto* process = each->as<ipc::Alive>()) {
                ++living;
                CHECK(process->token == 1);
                CHECK(process->pid == alive);
            }
            if (const auto* exited = each->as<ipc::Exited>()) {
                ++exits;
                CHECK(exited->token == 2);
                CHECK(WTERMSIG(exited->status) == SIGKILL);
            }
        }
        CHECK(states == 1);
        CHECK(controls == 1);
        CHECK(peers == 2);
        CHECK(living == 1);
        CHECK(exits == (acknowledged ? 0 : 1));
        jailer.next(packet);  // a fresh pair for the survivor
        CHECK(as<ipc::Peer>(packet).peer == kEngine);
        engine.say(ack(2));
        engine.say(ack(2));  // twice is no error
        engine.say(ack(999));
        // The keeper reads a dead member's last packets before it starts the next.
    }
    CHECK(::kill(alive, 0) == 0);
    CHECK(keeper.log().find("engine: killed by signal 9; restart 2") != std::string::npos);
}

TEST_CASE("keeper: a new jailer gets the living with pidfds and the descriptors it had stored",
          "[keeper]") {
    Three three;
    auto& [keeper, jailer, engine, logger] = three;
    greet(logger, ipc::Role::kLogger);
    ipc::Packet packet;
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd read_end(ends[0]);
    const Fd write_end(ends[1]);
    auto store = ipc::make<ipc::Store>();
    store.kind = ipc::Kept::kLogPipe;
    ipc::set_text(store.unit, "web");
    jailer.say(store, {read_end.get()});
    const pid_t pid = run_program(jailer, 1).pid;
    // Sent and never read by the keeper's peer, and a registration right before the end.
    (void)run_program(jailer, 3, "s 9");
    ::kill(jailer.pid, SIGKILL);

    logger.next(packet);
    CHECK(as<ipc::Stored>(packet).kind == ipc::Kept::kLogPipe);
    engine.next(packet);
    CHECK(as<ipc::Exited>(packet).token == 3);

    jailer = keeper.started("jailer");
    jailer.hello(kJailer);
    int living = 0;
    int pipes = 0;
    for (const auto& each : jailer.snapshot()) {
        if (const auto* process = each->as<ipc::Alive>()) {
            ++living;
            CHECK(process->pid == pid);
            const Fd pidfd(each->take_fd(0));
            CHECK(pidfd);
        }
        if (const auto* stored = each->as<ipc::Stored>()) {
            ++pipes;
            CHECK(stored->kind == ipc::Kept::kLogPipe);
            const Fd fd(each->take_fd(0));
            char byte = 0;
            REQUIRE(::write(write_end.get(), "x", 1) == 1);
            CHECK(::read(fd.get(), &byte, 1) == 1);
        }
    }
    CHECK(living == 1);
    CHECK(pipes == 1);
}
