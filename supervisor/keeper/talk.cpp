#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>

#include "base/fd.hpp"
#include "keeper/keeper.hpp"
#include "pid1/log.hpp"

namespace jailsvc::keeper {
namespace {

using ipc::Role;
using pid1::log;

constexpr std::size_t kPacketsPerRound = 4096;  ///< more than a socket's queue holds

// --- in; false: refused. An empty packet is one that ipc::receive refused.

bool greet(Keeper& keeper, Role role, const ipc::Hello& hello) noexcept {
    Member& who = keeper.member(role);
    if (hello.role != role || who.greeted) return false;
    who.greeted = who.end_due = true;
    // An end that the engine itself announced is in its records, and so known to its successor.
    who.shutdown_due = role == Role::kEngine && keeper.signal != 0;
    keeper.store.kept.mark_snapshot(role);
    keeper.registry.processes.mark_snapshot(role);
    return true;
}

bool store(Keeper& keeper, const ipc::Key& key, ipc::Packet& packet) noexcept {
    Fd fd(packet.take_fd(0));
    if (keeper.store.put(key, fd.get())) return fd.release() >= 0;
    log("%s: the store of descriptors is full; raise the hard limit of open files", key.unit);
    return false;
}

bool handle_from_jailer(Keeper& keeper, ipc::Packet& packet) noexcept {
    if (const auto* intent = packet.as<ipc::Intent>()) {
        keeper.strays.open(intent->token, boottime_ns());
        return true;
    }
    if (const auto* abandon = packet.as<ipc::Abandon>()) {
        keeper.strays.close(abandon->token);
        return true;
    }
    const auto* message = packet.as<ipc::Register>();
    const Fd pidfd(packet.take_fd(0));
    return message != nullptr && pidfd && take_register(keeper, *message, pidfd.get());
}

/// The engine stops everything, for a signal or for a client or unit of its own. It has as long as
/// the units' timeouts allow, within bounds. What a signal wants to follow the end stands.
bool stop(Keeper& keeper, ipc::ShutdownKind kind, const auto& message) noexcept {
    if (kind > ipc::ShutdownKind::kSoftReboot) return false;
    const std::uint64_t now_ns = boottime_ns();
    const bool hurries = keeper.signal != 0 && keeper.deadline_ns <= now_ns + kHurryNs;
    if (!hurries) keeper.deadline_ns = std::min(message.deadline_ns, now_ns + ipc::kLongestStopNs);
    if (keeper.signal == 0) keeper.kind = kind;
    keeper.phase = Phase::kStopping;
    return true;
}

bool handle_from_engine(Keeper& keeper, const ipc::Packet& packet) noexcept {
    if (const auto* ack = packet.as<ipc::ExitAck>()) {
        keeper.registry.acknowledge(ack->token);  // may come twice after a snapshot: no error
        return true;
    }
    if (const auto* its = packet.as<ipc::Stopping>()) return stop(keeper, keeper.kind, *its);
    if (const auto* its = packet.as<ipc::Shutdown>()) return stop(keeper, its->kind, *its);
    const auto* done = packet.as<ipc::ShutdownDone>();
    if (done == nullptr || done->kind > ipc::ShutdownKind::kSoftReboot) return false;
    keeper.kind = done->kind;
    keeper.exit_code = done->exit_code & 0xff;
    keeper.phase = Phase::kEnding;
    return true;
}

bool handle(Keeper& keeper, Role role, ipc::Packet& packet) noexcept {
    if (const auto* hello = packet.as<ipc::Hello>()) return greet(keeper, role, *hello);
    if (const auto* key = packet.as<ipc::Unstore>()) {
        if (Store::may(role, *key)) keeper.store.drop(*key);
        return Store::may(role, *key);
    }
    if (const auto* key = packet.as<ipc::Store>()) {
        return packet.fd_count() == 1 && Store::may(role, *key) && store(keeper, *key, packet);
    }
    if (role == Role::kJailer) return handle_from_jailer(keeper, packet);
    return role == Role::kEngine && handle_from_engine(keeper, packet);
}

// --- out; false: to be sent again later

/// A peer that is gone is found out by drain().
template <typename T>
bool send(Member& to, const T& message, int fd = -1) noexcept {
    const int rc = ipc::send(to.channel, message, &fd, fd >= 0 ? 1 : 0);
    if (rc == 0 || rc == EAGAIN || rc == EPIPE) return rc == 0;
    // Out of memory, most likely: the next one is told all of it again.
    log("%s: cannot be sent to: %s (error %d); it starts again", to.name, pid1::error_text(rc), rc);
    if (to.pid > 0) ::kill(to.pid, SIGKILL);
    return false;
}

bool send_peers(Member& to) noexcept {
    for (const Role peer : kThree) {
        int& end = to.peer_ends[static_cast<std::size_t>(peer)];
        if (end == 0) continue;
        auto message = ipc::make<ipc::Peer>();
        message.peer = peer;
        if (!send(to, message, end)) return false;
        replace(end, 0);
    }
    return true;
}

bool send_process(Member& to, Role role, const ipc::Exited& process) noexcept {
    if (process.ended_ns != 0) return send(to, process);
    auto alive = ipc::make<ipc::Alive>();
    static_cast<ipc::Process&>(alive) = process;
    if (role != Role::kJailer) return send(to, alive);
    // Not reaped yet, so the pid is still this process.
    const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
    return send(to, alive, pidfd.get());
}

bool send_shutdown(const Keeper& keeper, Member& to) noexcept {
    auto shutdown = ipc::make<ipc::Shutdown>();
    shutdown.kind = keeper.kind;
    shutdown.signal = static_cast<std::uint16_t>(keeper.signal);
    shutdown.deadline_ns = keeper.deadline_ns;
    return send(to, shutdown);
}

}  // namespace

void drain(Keeper& keeper, Role role) noexcept {
    Member& from = keeper.member(role);
    ipc::Packet packet;
    for (std::size_t i = 0; i < kPacketsPerRound && from.channel != 0; ++i) {
        const int rc = ipc::receive(from.channel, packet);
        if (rc == EAGAIN || rc == EINTR) return;
        if (rc != 0 && rc != EBADMSG) {
            disconnect(from);
            // It can no longer be talked to. Ours and not reaped, so the pid is its own.
            if (from.pid > 0) ::kill(from.pid, SIGKILL);
        } else if (!handle(keeper, role, packet) && std::has_single_bit(++from.refused)) {
            // Said at the 1st, 2nd, 4th, 8th… so that a hostile peer cannot fill the log.
            log("%s: packet refused (%u so far)", from.name, from.refused);
        }
    }
}

/// Sends everything that is due, in the order that the protocol promises.
void pump(Keeper& keeper, Role role) noexcept {
    Member& to = keeper.member(role);
    if (!to.greeted || to.blocked) return;
    to.blocked = true;
    const auto send_kept = [&](const KeptFd& kept) { return send(to, kept.message, kept.fd); };
    const auto send_one = [&](const ipc::Exited& one) { return send_process(to, role, one); };
    if (!send_peers(to)) return;
    if (!keeper.store.kept.send_due(role, send_kept)) return;
    if (!keeper.registry.processes.send_due(role, send_one)) return;
    if (to.end_due && !send(to, ipc::make<ipc::SnapshotEnd>())) return;
    to.end_due = false;
    if (to.shutdown_due && !send_shutdown(keeper, to)) return;
    to.shutdown_due = to.blocked = false;
}

}  // namespace jailsvc::keeper
