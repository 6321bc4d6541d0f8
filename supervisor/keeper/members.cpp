#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.hpp"
#include "keeper/keeper.hpp"
#include "pid1/log.hpp"

namespace jailsvc::keeper {
namespace {

using ipc::Role;
using pid1::log;

constexpr const char* kNames[] = {"keeper", "engine", "jailer", "logger"};

/// [child] In a session of its own, since a terminal's Ctrl-C is for the keeper alone, which then
/// asks the engine. Everything but stdio and the channel is closed by the exec.
[[noreturn]] void become(const Keeper& keeper, int channel) noexcept {
    ::setsid();
    ::dup2(channel, ipc::kKeeperFd);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(keeper.arguments[0], keeper.arguments, environ);
    log("cannot execute %s: %s (error %d)", keeper.arguments[0], pid1::error_text(errno), errno);
    ::_exit(127);
}

/// Ends of an older pair that nobody has been sent are closed: the newest pair counts.
bool pair_up(Keeper& keeper, Role one, Role other) noexcept {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        return false;
    }
    replace(keeper.member(one).peer_ends[static_cast<std::size_t>(other)], ends[0]);
    replace(keeper.member(other).peer_ends[static_cast<std::size_t>(one)], ends[1]);
    return true;
}

/// With fresh ends of its pairs for it and for those that talk to it.
bool start(Keeper& keeper, Role role) noexcept {
    const bool is_engine = role == Role::kEngine;
    if (!pair_up(keeper, role, is_engine ? Role::kJailer : Role::kEngine)) return false;
    if (is_engine && !pair_up(keeper, role, Role::kLogger)) return false;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return false;
    Member& member = keeper.member(role);
    const Fd for_child(ends[1]);
    member.channel = ends[0];
    member.name = kNames[static_cast<std::size_t>(role)];
    keeper.arguments[1] = const_cast<char*>(member.name);  // execve(2) does not write through it
    member.pid = ::_Fork();
    if (member.pid == 0) become(keeper, for_child.get());
    return member.pid > 0;
}

void restart_later(Member& member) noexcept {
    const std::uint64_t now_ns = boottime_ns();
    disconnect(member);
    member.pid = 0;
    member.delay_ns = next_delay(member.delay_ns, now_ns - member.at_ns);
    member.at_ns = now_ns + member.delay_ns;
}

}  // namespace

void start_due(Keeper& keeper) noexcept {
    const std::uint64_t now_ns = boottime_ns();
    for (const Role role : kThree) {
        Member& member = keeper.member(role);
        if (member.pid != 0 || member.at_ns > now_ns) continue;
        member.at_ns = now_ns;
        if (start(keeper, role)) continue;
        log("%s: cannot be started: %s; trying again", member.name, pid1::error_text(errno));
        restart_later(member);
    }
}

void died(Keeper& keeper, Role role, int status) noexcept {
    Member& member = keeper.member(role);
    member.pid = 0;       // reaped: the number may be another's from now on
    drain(keeper, role);  // what it said before its end counts
    if (role == Role::kJailer) keeper.strays.close_all();
    ++member.restarts;
    restart_later(member);
    const bool killed = WIFSIGNALED(status);
    log("%s: %s %d; restart %u in %u ms", member.name,
        killed ? "killed by signal" : "ended with status",
        killed ? WTERMSIG(status) : WEXITSTATUS(status), member.restarts,
        static_cast<unsigned>(member.delay_ns / 1'000'000));
}

void disconnect(Member& member) noexcept {
    replace(member.channel, 0);
    for (int& end : member.peer_ends) replace(end, 0);
    member.greeted = member.blocked = member.end_due = member.shutdown_due = false;
}

}  // namespace jailsvc::keeper
