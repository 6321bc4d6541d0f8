#pragma once

#include <fcntl.h>

#include <string>

#include "harness.hpp"

/// The keeper's three, and what they say to it.
namespace jailsvc::test {

inline constexpr ipc::Role kEngine = ipc::Role::kEngine;
inline constexpr ipc::Role kJailer = ipc::Role::kJailer;

/// Says hello and reads what is kept for it.
inline void greet(const Role& process, ipc::Role role) {
    process.hello(role);
    (void)process.snapshot();
}

inline Role greeted(Keeper& keeper, const char* name, ipc::Role role) {
    Role process = keeper.started(name);
    greet(process, role);
    return process;
}

/// A keeper and all that it started; the logger has not said hello yet.
struct Three {
    explicit Three(As as = As::kSubreaper) : keeper(as) {}
    Keeper keeper;
    Role jailer = greeted(keeper, "jailer", kJailer);
    Role engine = greeted(keeper, "engine", kEngine);
    Role logger = keeper.started("logger");
};

inline ipc::Intent intent(ipc::Token token) {
    auto message = ipc::make<ipc::Intent>();
    message.token = token;
    return message;
}

inline ipc::Register registration(ipc::Token token, pid_t pid) {
    auto message = ipc::make<ipc::Register>();
    message.token = token;
    message.pid = pid;
    ipc::set_text(message.unit, "web");
    return message;
}

inline ipc::ExitAck ack(ipc::Token token) {
    auto message = ipc::make<ipc::ExitAck>();
    message.token = token;
    return message;
}

/// What the jailer sent before is handled when this returns.
inline void roundtrip(const Role& jailer, const Role& engine, const char* unit) {
    auto store = ipc::make<ipc::Store>();
    store.kind = ipc::Kept::kNotify;
    ipc::set_text(store.unit, unit);
    const Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    jailer.say(store, {fd.get()});
    ipc::Packet packet;
    engine.next(packet);
    CHECK(ipc::get_text(as<ipc::Stored>(packet).unit) == unit);
}

/// A process that the jailer has registered; it does what fake_role.cpp has for `command`.
struct Program {
    pid_t pid = 0;
    Fd pidfd;
};
inline Program run_program(const Role& jailer, ipc::Token token, const std::string& command = "g") {
    Program program;
    jailer.say(intent(token));
    program.pid = jailer.ask(command, &program.pidfd);
    jailer.say(registration(token, program.pid), {program.pidfd.get()});
    return program;
}

}  // namespace jailsvc::test
