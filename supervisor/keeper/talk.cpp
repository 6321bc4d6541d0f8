#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <signal.h>
#include <bit>
#include <cerrno>
#include <cstring>

#include "keeper/keeper.hpp"
#include "keeper/log.hpp"

namespace jailsvc::keeper {
namespace {

using ipc::Role;

constexpr std::size_t kPacketsPerRound = 512;  ///< more than a socket's queue holds by default
constexpr std::uint64_t kRetryNs = 100'000'000;

template <std::size_t N>
bool is_terminated(const char (&text)[N]) noexcept {
    return ipc::get_text(text).size() < N;
}

template <typename To, typename From>
To with_key(const From& from) noexcept {
    To to = ipc::make<To>();
    to.kind = from.kind;
    to.index = from.index;
    to.token = from.token;
    ipc::set_text(to.unit, ipc::get_text(from.unit));
    return to;
}

ipc::Exited exited(const Process& process) noexcept {
    auto message = ipc::make<ipc::Exited>();
    message.token = process.token;
    message.pid = process.pid;
    message.status = process.ending.status;
    message.ended_ns = process.ending.ended_ns;
    message.user_us = process.ending.user_us;
    message.system_us = process.ending.system_us;
    message.max_rss_kib = process.ending.max_rss_kib;
    message.purpose = process.purpose;
    ipc::set_text(message.unit, ipc::get_text(process.unit));
    return message;
}

ipc::Alive alive(const Process& process) noexcept {
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
        if (rc == 0 || rc == EBADMSG) {
            handle(role, packet);
        } else {
            close_channel(from);
            // It can no longer be talked to. Still ours and not reaped, so the pid is its own.
            if (from.pid > 0 && phase_ < Phase::kClosing) ::kill(from.pid, SIGKILL);
        }
    }
}

/// An empty packet is one that ipc::receive refused. Whatever is wrong is dropped and counted.
void Keeper::handle(Role role, ipc::Packet& packet) noexcept {
    bool good = false;
    if (const auto* hello = packet.as<ipc::Hello>()) {
        good = greet(role, *hello);
    } else if (packet.type() == ipc::Type::kStore || packet.type() == ipc::Type::kUnstore) {
        good = handle_store(role, packet);
    } else if (role == Role::kJailer) {
        good = handle_from_jailer(packet);
    } else if (role == Role::kEngine) {
        good = handle_from_engine(packet);
    }
    packet.reset();
    // Said at the 1st, 2nd, 4th, 8th… so that a hostile peer cannot fill the log.
    if (good || !std::has_single_bit(++member(role).refused)) return;
    log("%s: packet refused (%u so far)", name_of(role), member(role).refused);
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
    const int pidfd = message != nullptr ? packet.take_fd(0) : -1;
    if (pidfd < 0) return false;
    const bool good = message->token != 0 && is_terminated(message->unit);
    if (good) take_register(*message, pidfd);
    ::close(pidfd);
    return good;
}

bool Keeper::handle_from_engine(ipc::Packet& packet) noexcept {
    if (const auto* ack = packet.as<ipc::ExitAck>()) {
        registry_.acknowledge(ack->token);  // may come twice after a snapshot: no error
        return true;
    }
    const auto* done = packet.as<ipc::ShutdownDone>();
    if (done == nullptr || done->kind > ipc::ShutdownKind::kSoftReboot) return false;
    if (phase_ > Phase::kStopping) return true;
    kind_ = done->kind;
    exit_code_ = done->exit_code & 0xff;
    enter(Phase::kSweeping);
    return true;
}

bool Keeper::handle_store(Role role, ipc::Packet& packet) noexcept {
    if (const auto* unstore = packet.as<ipc::Unstore>()) {
        const bool good = may_store(role, unstore->kind) && is_terminated(unstore->unit);
        if (good) store_.drop(*unstore);
        return good;
    }
    const auto* key = packet.as<ipc::Store>();
    if (key == nullptr || packet.fd_count() != 1 || !may_store(role, key->kind) ||
        !is_terminated(key->unit)) {
        return false;
    }
    const int fd = packet.take_fd(0);
    if (store_.put(*key, fd, role) != kNone) return true;
    log("%s: the store of descriptors is full; raise the hard limit of open files", key->unit);
    ::close(fd);
    return false;
}

bool Keeper::greet(Role role, const ipc::Hello& hello) noexcept {
    Member& who = member(role);
    if (hello.role != role || who.greeted) return false;
    who.greeted = true;
    who.end_due = true;
    who.shutdown_due = role == Role::kEngine && phase_ == Phase::kStopping;
    if (role != Role::kEngine) {
        pair_up(role, Role::kEngine);
    } else {
        pair_up(role, Role::kJailer);
        pair_up(role, Role::kLogger);
    }
    store_.mark_snapshot(role);
    if (role != Role::kLogger) registry_.mark_snapshot(role);
    return true;
}

/// A fresh pair for `one`, who has just said Hello, unless `other` made one that still waits here.
void Keeper::pair_up(Role one, Role other) noexcept {
    int& mine = member(one).peer_ends[static_cast<std::size_t>(other)];
    int& theirs = member(other).peer_ends[static_cast<std::size_t>(one)];
    if (mine != 0) return;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        log("cannot make a socket pair (errno %d); %s starts again", errno, name_of(one));
        ::kill(member(one).pid, SIGKILL);
        return;
    }
    if (theirs != 0) ::close(theirs);
    mine = ends[0];
    theirs = ends[1];
}

void Keeper::pump(Role role) noexcept {
    Member& to = member(role);
    if (!to.greeted || to.channel == 0 || to.blocked || to.retry_ns > boottime_ns()) return;
    to.retry_ns = 0;
    to.blocked = !send_all(role) && to.retry_ns == 0;
}

/// Everything that is due, in the order that the protocol promises; false if it has to wait.
bool Keeper::send_all(Role role) noexcept {
    Member& to = member(role);
    if (!send_peers(role)) return false;
    for (std::size_t slot; (slot = store_.slots.first_marked(role)) != kNone;) {
        const KeptFd& kept = store_.slots[slot];
        if (!send_to(role, with_key<ipc::Stored>(kept), kept.fd)) return false;
        store_.slots.unmark(role, slot);
    }
    for (std::size_t slot; (slot = registry_.slots.first_marked(role)) != kNone;) {
        if (!send_process(role, slot)) return false;
        registry_.slots.unmark(role, slot);
    }
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

bool Keeper::send_process(Role role, std::size_t slot) noexcept {
    const Process& process = registry_.slots[slot];
    if (process.ended) return send_to(role, exited(process));
    if (role != Role::kJailer) return send_to(role, alive(process));
    // Not reaped yet, so the pid is still this process.
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0));
    const bool sent = send_to(role, alive(process), pidfd);
    if (pidfd >= 0) ::close(pidfd);
    return sent;
}

/// False if it has to be sent again later. A peer that is gone is found out by drain().
template <typename T>
bool Keeper::send_to(Role role, const T& message, int fd) noexcept {
    Member& to = member(role);
    const int rc = ipc::send(to.channel, message, &fd, fd >= 0 ? 1 : 0);
    if (rc == 0) return true;
    if (rc == ENOMEM || rc == ENOBUFS || rc == ETOOMANYREFS) to.retry_ns = boottime_ns() + kRetryNs;
    if (rc == EAGAIN || rc == EPIPE || to.retry_ns != 0) return false;
    log("%s: cannot be sent a packet: %s", name_of(role), ::strerrordesc_np(rc));
    return true;
}

}  // namespace jailsvc::keeper
