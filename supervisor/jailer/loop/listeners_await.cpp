// What comes over the sockets while nothing runs that could take it: it starts the unit, or is
// accepted for an instance of the unit's template.

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <chrono>
#include <utility>

#include "base/clock.hpp"
#include "jailer/loop/listeners.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kAcceptedAtOnce = 64;  ///< so that others get their turn
constexpr double kPause = 1;         ///< [s] where the kernel has no descriptor or memory left

}  // namespace

void Listeners::await_connection(const std::string& unit) {
    Group* const group = find(unit);
    if (group != nullptr) return watch(unit, *group);
    auto lost = ipc::make<ipc::Activated>();
    ipc::set_text(lost.unit, unit);
    ipc::set_text(lost.text, "its sockets are not open any more; start it again");
    core_.engine.send(lost);
}

void Listeners::watch(const std::string& unit, Group& group) {
    group.watches.clear();
    for (std::size_t i = 0; i < group.sockets.size(); ++i) {
        auto& watch = group.watches.emplace_back(std::make_unique<IoWatch>(core_.loop));
        watch->start(group.sockets[i].fd.get(), EV_READ, [this, unit, i] { ready(unit, i); });
    }
}

void Listeners::ready(const std::string& unit, std::size_t index) {
    Group& group = *find(unit);
    if (group.table.accept) {
        return accept_some(unit, group, group.sockets[index].fd.get());
    }
    if (!group.triggers.allows(group.table, boottime_ns())) {
        return lose(unit, group, "activations");
    }
    auto activated = ipc::make<ipc::Activated>();
    ipc::set_text(activated.unit, unit);
    core_.engine.send(activated);
    ++group.accepted;
    tell(unit, &group);
    group.watches.clear();  // last: we are called by one of them
}

/// The engine answers by closing the sockets.
void Listeners::lose(const std::string& unit, Group& group, const std::string& what) {
    auto lost = ipc::make<ipc::Activated>();
    ipc::set_text(lost.unit, unit);
    const std::chrono::duration<double> span = group.table.trigger_limit_interval;
    ipc::set_text(lost.text,
                  fmt::format("trigger limit: more than {} {} within {} s; its sockets are closed "
                              "until it is started again",
                              TriggerLimit::burst(group.table), what, span.count()));
    core_.engine.send(lost);
    group.watches.clear();  // last: we are called by one of them
}

void Listeners::accept_some(const std::string& unit, Group& group, int listener) {
    for (int i = 0; i < kAcceptedAtOnce; ++i) {
        Fd connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        if (connection) {
            if (take(unit, group, std::move(connection))) continue;
            return lose(unit, group, "connections");
        }
        // What went wrong on the way of one connection is that one's (accept(2)).
        const bool scarce =
            errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (!scarce) break;
        spdlog::error("{}: cannot accept: {}; again in {} s", unit, ::strerrordesc_np(errno),
                      kPause);
        group.pause.start(kPause, [this, unit] { await_connection(unit); });
        group.watches.clear();
        return;
    }
}

/// False: too many came. Those that are closed for a limit do not count, so that one source cannot
/// take the unit away from all others.
bool Listeners::take(const std::string& unit, Group& group, Fd connection) {
    Peer peer = peer_of(connection.get());
    const config::SocketTable& table = group.table;
    const bool full = connections_.count(unit) >= table.max_connections ||
                      (table.max_connections_per_source != 0 &&
                       connections_.count(unit, peer.source) >= table.max_connections_per_source);
    if (!full && !group.triggers.allows(table, boottime_ns())) return false;
    const std::string source = peer.source;
    const std::string instance =
        full ? std::string()
             : connections_.add(unit, std::move(connection), std::move(peer), table.stdio);
    if (instance.empty()) {
        ++group.refused;
        spdlog::debug("{}: a connection from {} was closed", unit, source);
        tell(unit, &group);
        return true;
    }
    ++group.accepted;
    auto message = ipc::make<ipc::Connection>();
    ipc::set_text(message.unit, unit);
    ipc::set_text(message.instance, instance);
    core_.engine.send(message);
    tell(unit, &group);
    return true;
}

}  // namespace jailsvc::jailer
