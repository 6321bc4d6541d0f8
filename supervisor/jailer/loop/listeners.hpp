#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/socket_address.hpp"
#include "config/unit.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/loop/connections.hpp"
#include "jailer/loop/core.hpp"
#include "jailer/loop/watch.hpp"
#include "jailer/sockets/trigger_limit.hpp"

namespace jailsvc::jailer {

/// The sockets that units listen on: opened as the root-owned unit file says, kept by the keeper
/// beside the unit's text, so that a jailer after us goes on with them; closed when the engine says
/// that the unit rests. Nobody is refused in between.
class Listeners {
public:
    explicit Listeners(Core& core);
    ~Listeners();

    /// Purpose::kListen: opens the sockets of the unit as its files are now, which have to be of
    /// that digest.
    [[nodiscard]] Result<void> open(const std::string& unit, const Digest& digest);

    /// What the main process of a unit is given: its sockets, opened by now, or its connection.
    [[nodiscard]] Result<void> give(const std::string& unit, const config::SocketTable& table,
                                    std::string_view text, Program& program);
    /// It runs: its connection is its own.
    void given(const std::string& unit) { connections_.given(unit); }

    void await_connection(const std::string& unit);
    void close(const std::string& unit);

    /// From the keeper's snapshot; then, once all of it is in, what it told makes sense or is
    /// closed. `instances`: units that have a jail.
    void adopt(const std::string& unit, std::uint16_t index, Fd fd);
    void settle(const std::vector<std::string>& instances);
    /// A new engine is to know of all.
    void tell_all();

private:
    struct Socket {
        config::SocketAddress address;
        Fd fd;
    };
    struct Group {
        explicit Group(struct ev_loop* loop) : pause(loop) {}
        std::string text;  ///< the effective unit that they are of
        config::SocketTable table;
        std::vector<Socket> sockets;
        std::vector<std::unique_ptr<IoWatch>> watches;  ///< while connections are awaited
        TimerWatch pause;                               ///< while there are no descriptors
        TriggerLimit triggers;
        std::uint64_t accepted = 0, refused = 0;
    };
    using Adopted = std::map<std::uint16_t, Fd>;

    [[nodiscard]] Result<void> ensure(const std::string& unit, const config::SocketTable& table,
                                      std::string_view text);
    [[nodiscard]] Result<void> check_free(const std::string& unit,
                                          const config::SocketAddress& address) const;
    [[nodiscard]] Result<std::vector<Socket>> open_missing(
        const Group& group, const std::vector<config::SocketAddress>& wanted,
        const config::SocketTable& table) const;
    [[nodiscard]] std::unexpected<Error> tell_neighbour(
        Error error, const std::vector<config::SocketAddress>& wanted) const;
    void keep(const std::string& unit, Group& group, std::size_t before);
    void take_up(const std::string& unit, Adopted& adopted);
    void watch(const std::string& unit, Group& group);
    void ready(const std::string& unit, std::size_t index);
    void accept_some(const std::string& unit, Group& group, int listener);
    [[nodiscard]] bool take(const std::string& unit, Group& group, Fd connection);
    void lose(const std::string& unit, Group& group, const std::string& why);
    void tell(const std::string& unit, const Group* group);
    [[nodiscard]] Group* find(const std::string& unit);

    Core& core_;
    Connections connections_;
    std::map<std::string, std::unique_ptr<Group>> groups_;
    std::map<std::string, Adopted> adopted_;  ///< of the snapshot, until it is settled
};

}  // namespace jailsvc::jailer
