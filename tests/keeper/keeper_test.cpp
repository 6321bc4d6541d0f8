// The real jailsvc-init, with the test in the place of engine, jailer and logger.
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "base/clock.hpp"
#include "harness.hpp"

using namespace jailsvc;
using test::as;
using test::Keeper;

namespace {

constexpr ipc::Role kEngine = ipc::Role::kEngine;
constexpr ipc::Role kJailer = ipc::Role::kJailer;

test::Role greeted(Keeper& keeper, const char* name, ipc::Role role) {
    test::Role process = keeper.started(name);
    process.hello(role);
    (void)process.snapshot();
    return process;
}

ipc::Intent intent(ipc::Token token) {
    auto message = ipc::make<ipc::Intent>();
    message.token = token;
    return message;
}

ipc::Register registration(ipc::Token token, pid_t pid) {
    auto message = ipc::make<ipc::Register>();
    message.token = token;
    message.pid = pid;
    ipc::set_text(message.unit, "web");
    return message;
}

ipc::ExitAck ack(ipc::Token token) {
    auto message = ipc::make<ipc::ExitAck>();
    message.token = token;
    return message;
}

/// What the jailer sent before is handled when this returns.
void roundtrip(const test::Role& jailer, const test::Role& engine, const char* unit) {
    auto store = ipc::make<ipc::Store>();
    store.kind = ipc::Kept::kNotify;
    ipc::set_text(store.unit, unit);
    const Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    jailer.say(store, {fd.get()});
    ipc::Packet packet;
    engine.next(packet);
    CHECK(ipc::get_text(as<ipc::Stored>(packet).unit) == unit);
}

/// A living process, registered.
pid_t run_service(const test::Role& jailer, ipc::Token token) {
    Fd pidfd;
    jailer.say(intent(token));
    const int pid = jailer.ask("g", &pidfd);
    jailer.say(registration(token, pid), {pidfd.get()});
    return pid;
}

bool can_make_namespaces() {
    return ::geteuid() == 0;
}

}  // namespace

TEST_CASE("keeper: an exit before its registration is not lost", "[keeper]") {
    Keeper keeper;
    const test::Role jailer = greeted(keeper, "jailer", kJailer);
    const test::Role engine = greeted(keeper, "engine", kEngine);
    const test::Role logger = keeper.started("logger");
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

TEST_CASE("keeper: a killed engine comes back to its records, socket, processes and exits",
          "[keeper]") {
    Keeper keeper;
    const test::Role jailer = greeted(keeper, "jailer", kJailer);
    test::Role engine = greeted(keeper, "engine", kEngine);
    const test::Role logger = keeper.started("logger");
    ipc::Packet packet;
    const pid_t alive = run_service(jailer, 1);
    const pid_t ended = run_service(jailer, 2);
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
    Keeper keeper;
    test::Role jailer = greeted(keeper, "jailer", kJailer);
    const test::Role engine = greeted(keeper, "engine", kEngine);
    const test::Role logger = greeted(keeper, "logger", ipc::Role::kLogger);
    ipc::Packet packet;
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd read_end(ends[0]);
    const Fd write_end(ends[1]);
    auto store = ipc::make<ipc::Store>();
    store.kind = ipc::Kept::kLogPipe;
    ipc::set_text(store.unit, "web");
    jailer.say(store, {read_end.get()});
    const pid_t pid = run_service(jailer, 1);
    // Sent and never read by the keeper's peer, and a registration right before the end.
    Fd late_pidfd;
    jailer.say(intent(3));
    const int late = jailer.ask("s 9", &late_pidfd);
    jailer.say(registration(3, late), {late_pidfd.get()});
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

TEST_CASE("keeper: what hostile peers send is dropped, harms nothing and leaks nothing",
          "[keeper]") {
    Keeper keeper;
    const test::Role jailer = greeted(keeper, "jailer", kJailer);
    const test::Role engine = greeted(keeper, "engine", kEngine);
    const test::Role logger = greeted(keeper, "logger", ipc::Role::kLogger);
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
    Keeper keeper;
    const test::Role jailer = greeted(keeper, "jailer", kJailer);
    const test::Role engine = greeted(keeper, "engine", kEngine);
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

TEST_CASE("keeper: without /proc the end still reaches every service", "[keeper][process]") {
    if (!can_make_namespaces()) {
        WARN("skipped: a keeper as PID 1 needs root for its namespaces");
        return;
    }
    Keeper keeper(test::As::kInitWithoutProc);
    const test::Role jailer = greeted(keeper, "jailer", kJailer);
    const test::Role engine = greeted(keeper, "engine", kEngine);
    Fd registered;
    Fd unregistered;
    jailer.say(intent(1));
    const int pid = jailer.ask("g", &registered);
    jailer.say(registration(1, pid), {registered.get()});
    (void)jailer.ask("g", &unregistered);
    roundtrip(jailer, engine, "web");
    engine.say(ipc::make<ipc::ShutdownDone>());
    const int status = keeper.wait();
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(test::has_ended(registered));
    CHECK(test::has_ended(unregistered));
}

TEST_CASE("keeper: exits wait while the engine does not read, and none is lost", "[keeper]") {
    Keeper keeper;
    const test::Role jailer = greeted(keeper, "jailer", kJailer);
    const test::Role engine = greeted(keeper, "engine", kEngine);
    const test::Role logger = keeper.started("logger");
    ipc::Packet packet;
    constexpr int kExits = 1500;  // several times what a socket holds
    for (int i = 1; i <= kExits; ++i) {
        Fd pidfd;
        jailer.say(intent(static_cast<ipc::Token>(i)));
        const int pid = jailer.ask("s " + std::to_string(i % 100), &pidfd);
        jailer.say(registration(static_cast<ipc::Token>(i), pid), {pidfd.get()});
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
    Keeper keeper;
    const test::Role jailer = greeted(keeper, "jailer", kJailer);
    const test::Role engine = greeted(keeper, "engine", kEngine);
    const test::Role logger = keeper.started("logger");
    const double before = keeper.cpu_ms();
    CHECK(jailer.ask("o 5000") == 5000);
    keeper.wait_for_children(3);
    std::cout << "keeper: 5000 orphans cost " << keeper.cpu_ms() - before << " ms of CPU\n";
    engine.expect_silence();
}

TEST_CASE("keeper: SIGTERM asks the engine, and its answer ends everything in order",
          "[keeper][process]") {
    const auto as_what =
        GENERATE(test::As::kSubreaper, test::As::kInit, test::As::kInitWithoutProc);
    if (as_what != test::As::kSubreaper && !can_make_namespaces()) {
        WARN("skipped: a keeper as PID 1 needs root for its namespaces");
        return;
    }
    Keeper keeper(as_what);
    test::Role jailer = greeted(keeper, "jailer", kJailer);
    test::Role engine = greeted(keeper, "engine", kEngine);
    test::Role logger = keeper.started("logger");
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
    const int status = keeper.wait();
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 17);
    CHECK(::access((keeper.state() + "/run/control").c_str(), F_OK) != 0);
}

TEST_CASE("keeper: without an answer a second signal hurries, and what is left is killed",
          "[keeper]") {
    Keeper keeper;
    const test::Role jailer = greeted(keeper, "jailer", kJailer);
    const test::Role engine = greeted(keeper, "engine", kEngine);
    const test::Role logger = keeper.started("logger");
    ipc::Packet packet;
    Fd service;
    jailer.say(intent(1));
    const int pid = jailer.ask("g", &service);
    jailer.say(registration(1, pid), {service.get()});
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
    const int status = keeper.wait();
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 1);
    CHECK(test::has_ended(service));
    CHECK(test::has_ended(unregistered));
}

TEST_CASE("keeper: an end that the engine announces is bounded, and no signal's hurry",
          "[keeper]") {
    Keeper keeper;
    const test::Role jailer = greeted(keeper, "jailer", kJailer);
    const test::Role engine = greeted(keeper, "engine", kEngine);
    const test::Role logger = keeper.started("logger");
    Fd service;
    jailer.say(intent(1));
    const int pid = jailer.ask("g", &service);
    jailer.say(registration(1, pid), {service.get()});
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
        const int status = keeper.wait();
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
    SECTION("when its time is over, what is left is ended") {
        shutdown.deadline_ns = jailsvc::boottime_ns();
        engine.say(shutdown);
        const int status = keeper.wait();
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 1);
    }
    CHECK(test::has_ended(service));
}

TEST_CASE("keeper: refuses to start beside a living one and replaces a dead one's socket",
          "[keeper]") {
    Keeper keeper;
    (void)keeper.started("engine");
    CHECK(test::run(keeper.program(), {"--state", keeper.state()}) == 1);
    CHECK(test::run(keeper.program(), {"--frob"}) == 2);
    CHECK(test::run(keeper.program(), {"--state", "relative"}) == 2);
    CHECK(test::run(keeper.program(), {"--version"}) == 0);
    CHECK(test::run(keeper.program(), {"--help"}) == 0);

    keeper.crash();
    REQUIRE(::access((keeper.state() + "/run/control").c_str(), F_OK) == 0);
    keeper.start();
    (void)keeper.started("engine");
}

TEST_CASE("keeper: refuses directories in which others could exchange its own", "[keeper]") {
    Keeper keeper;
    (void)keeper.started("engine");
    keeper.crash();
    const std::string config = keeper.folder() + "/config";
    REQUIRE(::mkdir(config.c_str(), 0755) == 0);
    REQUIRE(::chmod(config.c_str(), 0775) == 0);
    CHECK(test::run(keeper.program(), {"--state", keeper.state(), "--config", config}) == 1);
    REQUIRE(::chmod(keeper.state().c_str(), 0777) == 0);
    CHECK(test::run(keeper.program(), {"--state", keeper.state()}) == 1);

    // Whose names cannot be exchanged may be written to, as /tmp may.
    REQUIRE(::chmod(keeper.state().c_str(), 01777) == 0);
    keeper.start();
    (void)keeper.started("engine");
}

TEST_CASE("keeper: refuses directories that its engine and logger cannot get through", "[keeper]") {
    Keeper keeper;
    (void)keeper.started("engine");
    keeper.crash();
    const std::string closed = keeper.folder() + "/closed";
    REQUIRE(::mkdir(closed.c_str(), 0700) == 0);
    for (const char* option : {"--state", "--config"}) {
        if (::geteuid() != 0) continue;  // all of it runs as one user then
        CHECK(test::run(keeper.program(), {"--state", keeper.state(), option, closed + "/inner"}) ==
              1);
    }
    REQUIRE(::chmod(closed.c_str(), 0711) == 0);  // the control
    keeper.start(closed + "/inner");
    (void)keeper.started("engine");
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
