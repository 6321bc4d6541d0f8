// The real jailsvc-init, with the test in the place of engine, jailer and logger.
#include <elf.h>
#include <fcntl.h>
#include <sys/wait.h>

#include <cstring>
#include <fstream>
#include <iostream>

#include "three.hpp"

using namespace jailsvc;
using test::ack;
using test::as;
using test::greet;
using test::greeted;
using test::intent;
using test::Keeper;
using test::kEngine;
using test::registration;
using test::roundtrip;
using test::run_program;
using test::Three;

TEST_CASE("keeper: an exit before its registration is not lost", "[keeper]") {
    Three three;
    auto& [keeper, jailer, engine, logger] = three;
    Fd pidfd;
    jailer.say(intent(7));
    const int pid = jailer.ask("s 42", &pidfd);
    // Reaped: only the keeper's table still knows of it.
    keeper.wait_for_children(3);
    jailer.say(registration(7, pid), {pidfd.get()});

    ipc::Packet packet;
    engine.next(packet);
    const auto& exited = as<ipc::Exited>(packet);
    CHECK(exited.token == 7);
    CHECK(exited.pid == pid);
    REQUIRE(WIFEXITED(exited.status));
    CHECK(WEXITSTATUS(exited.status) == 42);
    CHECK(ipc::get_text(exited.unit) == "web");
    CHECK(exited.ended_ns > 0);
}

TEST_CASE("keeper: the three get stdio, their channel and nothing else", "[keeper]") {
    Keeper keeper;
    for (const char* name : {"logger", "jailer", "engine"}) {
        const test::Role role = keeper.started(name);
        CHECK(role.ask("f") == 4);
    }
}

TEST_CASE("keeper: what hostile peers send is dropped, harms nothing and leaks nothing",
          "[keeper]") {
    Three three;
    auto& [keeper, jailer, engine, logger] = three;
    greet(logger, ipc::Role::kLogger);
    ipc::Packet packet;
    roundtrip(jailer, engine, "before");
    const std::size_t open_before = keeper.descriptors();
    const Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    auto store = ipc::make<ipc::Store>();
    for (int round = 0; round < 20; ++round) {
        for (const test::Role* role : {&engine, &logger}) {
            for (int kind = 0; kind < 12; ++kind) {
                // What services hand over is the engine's to store.
                const bool may =
                    role == &engine && (kind == std::to_underlying(ipc::Kept::kFdStore) ||
                                        kind == std::to_underlying(ipc::Kept::kFdNames));
                if (may) continue;
                store.kind = static_cast<ipc::Kept>(kind);
                role->say(store, {fd.get(), fd.get()});
                role->say(store, {fd.get()});
            }
            role->say(registration(50, 1), {fd.get()});
            role->say(intent(50));
            role->hello(kEngine);
            auto wrong = ipc::make<ipc::ExitAck>();
            wrong.header.version = 77;
            role->say(wrong, {fd.get()});
            const char junk[600] = {};
            CHECK(ipc::send_raw(role->channel.get(), junk, sizeof junk, nullptr, 0) == 0);
            role->drained();
        }
        auto unterminated = registration(51, 2);
        std::memset(unterminated.unit, 'u', sizeof unterminated.unit);
        jailer.say(unterminated, {fd.get()});
        jailer.say(registration(52, 2));
        store.kind = ipc::Kept::kState;  // the keeper's own
        jailer.say(store, {fd.get()});
    }
    roundtrip(jailer, engine, "before");
    CHECK(keeper.descriptors() == open_before);
    logger.expect_silence();
    CHECK(keeper.log().find("engine: packet refused (1 so far)") != std::string::npos);
    CHECK(keeper.log().find("restart") == std::string::npos);
}

TEST_CASE("keeper: a registration without a pidfd is refused, and no exit is made up", "[keeper]") {
    Three three;
    auto& [keeper, jailer, engine, logger] = three;
    ipc::Packet packet;
    const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    jailer.say(intent(1));
    jailer.say(registration(1, 4242), {null.get()});
    roundtrip(jailer, engine, "web");  // had there been an Exited, it would have come first
    CHECK(keeper.log().find("jailer: packet refused (1 so far)") != std::string::npos);

    // The negative control: the same token with the pidfd of a process that has ended.
    Fd pidfd;
    const int pid = jailer.ask("s 3", &pidfd);
    jailer.say(registration(1, pid), {pidfd.get()});
    engine.next(packet);
    CHECK(as<ipc::Exited>(packet).token == 1);
}

TEST_CASE("keeper: exits wait while the engine does not read, and none is lost", "[keeper]") {
    Three three;
    auto& [keeper, jailer, engine, logger] = three;
    ipc::Packet packet;
    constexpr int kExits = 1500;  // several times what a socket holds
    for (int i = 1; i <= kExits; ++i) {
        (void)run_program(jailer, static_cast<ipc::Token>(i), "s " + std::to_string(i % 100));
        jailer.drained();
    }
    keeper.wait_for_children(3);
    std::vector<bool> seen(kExits + 1);
    for (int i = 1; i <= kExits; ++i) {
        engine.next(packet);
        const auto& exited = as<ipc::Exited>(packet);
        REQUIRE(exited.token <= kExits);
        CHECK_FALSE(seen[exited.token]);
        seen[exited.token] = true;
        CHECK(WEXITSTATUS(exited.status) == static_cast<int>(exited.token % 100));
        engine.say(ack(exited.token));
    }
    engine.drained();
    engine.expect_silence();
}

TEST_CASE("keeper: 5,000 orphans are reaped and told to nobody", "[keeper]") {
    Three three;
    auto& [keeper, jailer, engine, logger] = three;
    const double before = keeper.cpu_ms();
    CHECK(jailer.ask("o 5000") == 5000);
    keeper.wait_for_children(3);
    std::cout << "keeper: 5000 orphans cost " << keeper.cpu_ms() - before << " ms of CPU\n";
    engine.expect_silence();
}

TEST_CASE("keeper: is static and small", "[keeper]") {
    std::ifstream file(KEEPER_PROGRAM, std::ios::binary);
    Elf64_Ehdr header{};
    file.read(reinterpret_cast<char*>(&header), sizeof header);
    REQUIRE(file);
    for (int i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        file.seekg(static_cast<std::streamoff>(header.e_phoff) + i * header.e_phentsize);
        file.read(reinterpret_cast<char*>(&segment), sizeof segment);
        CHECK(segment.p_type != PT_DYNAMIC);
        CHECK(segment.p_type != PT_INTERP);
    }
    Keeper keeper;
    const test::Role engine = greeted(keeper, "engine", kEngine);
    const long anonymous = keeper.memory_kib("Anonymous");
    std::cout << "keeper: private memory " << anonymous << " KiB of its own, "
              << keeper.memory_kib("Pss") << " KiB with the program itself\n";
    REQUIRE(anonymous > 0);
    CHECK(anonymous < 100);
    CHECK(keeper.memory_kib("Pss") < 150);
}
