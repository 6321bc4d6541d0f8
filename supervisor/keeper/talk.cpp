#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "base/fd.hpp"
#include "keeper/keeper.hpp"
#include "keeper/log.hpp"

namespace jailsvc::keeper {
namespace {

using ipc::Role;

constexpr std::size_t kPacketsPerRound = 4096;  ///< more than a socket's queue holds

ipc::Alive alive(const ipc::Exited& process) noexcept {
    auto message = ipc::make<ipc::Alive>();
    message.token = process.token;
    message.pid = process.pid;
    message.purpose = process.purpose;
    ipc::set_text(message.unit, ipc::get_text(process.unit));
    return message;
}

}  // namespace

void Keeper::drain(Role role) noexcept {
    Member& from = member(role);
    ipc::Packet packet;
    for (std::size_t i = 0; i < kPacketsPerRound && from.channel != 0; ++i) {
        const int rc = ipc::receive(from.channel, packet);
        if (rc == EAGAIN || rc == EINTR) return;
        if (rc != 0 && rc != EBADMSG) {
            disconnect(from);
            // It can no longer be talked to. Ours and not reaped, so the pid is its own.
            if (from.pid > 0) ::kill(from.pid, SIGKILL);
        } else if (!handle(role, packet) && std::has_single_bit(++from.refused)) {
            // Said at the 1st, 2nd, 4th, 8th… so that a hostile peer cannot fill the log.
            log("%s: packet refused (%u so far)", name_of(role), from.refused);
        }
    }
}

/// False: refused. An empty packet is one that ipc::receive refused.
bool Keeper::handle(Role role, ipc::Packet& packet) noexcept {
    if (const auto* hello = packet.as<ipc::Hello>()) return greet(role, *hello);
    if (const auto* key = packet.as<ipc::Unstore>()) {
        if (!may_store(role, *key)) return false;
        store_.drop(*key);
        return true;
    }
    if (const auto* key = packet.as<ipc::Store>()) {
        if (packet.fd_count() != 1 || !may_store(role, *key)) return false;
        Fd fd(packet.take_fd(0));
        if (store_.put(*key, fd.get(), role)) return fd.release() >= 0;
        log("%s: the store of descriptors is full; raise the hard limit of open files", key->unit);
        return false;
    }
    if (role == Role::kJailer) return handle_from_jailer(packet);
    return role == Role::kEngine && handle_from_engine(packet);
}

bool Keeper::handle_from_jailer(ipc::Packet& packet) noexcept {
    if (const auto* intent = packet.as<ipc::Intent>()) {
        strays_.open(intent->token, boottime_ns());
        return true;
    }
    if (const auto* abandon = packet.as<ipc::Abandon>()) {
        strays_.close(abandon->token);
        return true;
    }
    const auto* message = packet.as<ipc::Register>();
    const Fd pidfd(packet.take_fd(0));
    return message != nullptr && pidfd && take_register(*message, pidfd.get());
}

bool Keeper::handle_from_engine(ipc::Packet& packet) noexcept {
    if (const auto* ack = packet.as<ipc::ExitAck>()) {
        registry_.acknowledge(ack->token);  // may come twice after a snapshot: no error
        return true;
    }
    const auto* done = packet.as<ipc::ShutdownDone>();
    if (done == nullptr || done->kind > ipc::ShutdownKind::kSoftReboot) return false;
    if (phase_ == Phase::kEnding) return true;
    kind_ = done->kind;
    exit_code_ = done->exit_code & 0xff;
    phase_ = Phase::kEnding;
    return true;
}

bool Keeper::greet(Role role, const ipc::Hello& hello) noexcept {
    Member& who = member(role);
    if (hello.role != role || who.greeted) return false;
    who.greeted = who.end_due = true;
    who.shutdown_due = role == Role::kEngine && phase_ == Phase::kStopping;
    store_.mark_snapshot(role);
    registry_.mark_snapshot(role);
    return true;
}

/// Sends everything that is due, in the order that the protocol promises.
void Keeper::pump(Role role) noexcept {
    Member& to = member(role);
    if (!to.greeted || to.blocked) return;
    const auto send_kept = [&](const KeptFd& kept) { return send_to(role, kept.message, kept.fd); };
    const auto send_one = [&](const ipc::Exited& process) { return send_process(role, process); };
    to.blocked = !(send_peers(role) && store_.kept.send_due(role, send_kept) &&
                   registry_.processes.send_due(role, send_one) && send_own(role));
}

bool Keeper::send_peers(Role role) noexcept {
    for (const Role peer : kThree) {
        int& end = member(role).peer_ends[static_cast<std::size_t>(peer)];
        if (end == 0) continue;
        auto message = ipc::make<ipc::Peer>();
        message.peer = peer;
        if (!send_to(role, message, end)) return false;
        ::close(end);
        end = 0;
    }
    return true;
}

bool Keeper::send_process(Role role, const ipc::Exited& process) noexcept {
    if (process.ended_ns != 0) return send_to(role, process);
    if (role != Role::kJailer) return send_to(role, alive(process));
    // Not reaped yet, so the pid is still this process.
    const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
    return send_to(role, alive(process), pidfd.get());
}

bool Keeper::send_own(Role role) noexcept {
    Member& to = member(role);
    if (to.end_due && !send_to(role, ipc::make<ipc::SnapshotEnd>())) return false;
    to.end_due = false;
    if (!to.shutdown_due) return true;
    auto shutdown = ipc::make<ipc::Shutdown>();
    shutdown.kind = kind_;
    shutdown.signal = static_cast<std::uint16_t>(signal_);
    shutdown.deadline_ns = deadline_ns_;
    to.shutdown_due = !send_to(role, shutdown);
    return !to.shutdown_due;
}

/// False if it has to be sent again later. A peer that is gone is found out by drain().
template <typename T>
bool Keeper::send_to(Role role, const T& message, int fd) noexcept {
    const Member& to = member(role);
    const int rc = ipc::send(to.channel, message, &fd, fd >= 0 ? 1 : 0);
    if (rc == 0 || rc == EAGAIN || rc == EPIPE) return rc == 0;
    // Out of memory, most likely: the next one is told all of it again.
    log("%s: cannot be sent to: %s; it starts again", name_of(role), ::strerrordesc_np(rc));
    if (to.pid > 0) ::kill(to.pid, SIGKILL);
    return false;
}

}  // namespace jailsvc::keeper
