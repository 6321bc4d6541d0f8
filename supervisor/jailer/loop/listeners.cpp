#include "jailer/loop/listeners.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/sys.hpp"
#include "jailer/loop/tell.hpp"
#include "jailer/sockets/open_socket.hpp"

namespace jailsvc::jailer {
namespace {

using config::SocketAddress;
using config::SocketTable;

/// What a socket is made with. Two tables that agree in this want the same sockets.
SocketTable as_made(SocketTable table) {
    const SocketTable usual;
    table.listen = usual.listen;
    table.names = usual.names;
    table.activation = usual.activation;
    table.accept = usual.accept;
    table.stdio = usual.stdio;
    table.max_connections = usual.max_connections;
    table.max_connections_per_source = usual.max_connections_per_source;
    table.trigger_limit_burst = usual.trigger_limit_burst;
    table.trigger_limit_interval = usual.trigger_limit_interval;
    return table;
}

Result<std::vector<SocketAddress>> addresses_of(const SocketTable& table) {
    std::vector<SocketAddress> addresses;
    for (const std::string& text : table.listen) {
        TRY(auto address, config::parse_socket_address(text));
        addresses.push_back(std::move(address));
    }
    return addresses;
}

/// The descriptor's flags are shared by all who have it, the last run of the service too.
void set_blocking(int fd, bool blocking) {
    const int flags = ::fcntl(fd, F_GETFL);
    const int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    if (flags != -1 && flags != wanted) (void)::fcntl(fd, F_SETFL, wanted);
}

std::string names_of(const std::string& unit, const SocketTable& table) {
    if (!table.names.empty()) return fmt::format("{}", fmt::join(table.names, ":"));
    return fmt::format("{}", fmt::join(std::vector<std::string>(table.listen.size(), unit), ":"));
}

}  // namespace

Listeners::Listeners(Core& core) : core_(core), connections_(core.loop) {}
Listeners::~Listeners() = default;

Listeners::Group* Listeners::find(const std::string& unit) {
    const auto found = groups_.find(unit);
    return found == groups_.end() ? nullptr : found->second.get();
}

Result<void> Listeners::open(const std::string& unit, const Digest& digest) {
    const auto loaded = config::load_unit(core_.units.sources(), core_.plugins.schema(), unit);
    if (!loaded) return fail(unit + ": " + config::to_string(loaded.error().front()), EINVAL);
    if (loaded->digest != digest) {
        return fail(unit + ": unit file changed: run jailsvc daemon-reload first", ESTALE);
    }
    return ensure(unit, *loaded->socket, loaded->text.str());
}

Result<void> Listeners::give(const std::string& unit, const SocketTable& table,
                             std::string_view text, Program& program) {
    if (config::is_connection_name(unit)) return connections_.give(unit, program);
    if (!table.present()) return {};
    TRY_VOID(ensure(unit, table, text));
    Group& group = *find(unit);
    group.watches.clear();  // what comes is the service's
    for (const Socket& socket : group.sockets) {
        set_blocking(socket.fd.get(), true);
        program.passed.push_back(socket.fd.get());
    }
    program.environment.push_back(fmt::format("LISTEN_FDS={}", group.sockets.size()));
    program.environment.push_back("LISTEN_FDNAMES=" + names_of(unit, table));
    program.pid_variable = "LISTEN_PID";
    return {};
}

Result<void> Listeners::check_free(const std::string& unit, const SocketAddress& address) const {
    for (const auto& [name, group] : groups_) {
        if (name == unit || group->table.reuse_port) continue;
        const bool same =
            std::ranges::find(group->sockets, address, &Socket::address) != group->sockets.end();
        if (!same) continue;
        return fail(fmt::format("{}: {} listens there already, and {} wants to; stop the one, or "
                                "change the other",
                                to_string(address), name, unit),
                    EADDRINUSE);
    }
    return {};
}

/// An address can be in use by another way to write it: whoever of us has the port is named.
std::unexpected<Error> Listeners::tell_neighbour(Error error,
                                                 const std::vector<SocketAddress>& wanted) const {
    if (error.code != EADDRINUSE) return std::unexpected(std::move(error));
    for (const auto& [name, group] : groups_) {
        for (const Socket& socket : group->sockets) {
            const bool close = std::ranges::any_of(wanted, [&](const SocketAddress& address) {
                return address.kind == socket.address.kind && address.port != 0 &&
                       address.port == socket.address.port && address != socket.address;
            });
            if (!close) continue;
            error.message +=
                fmt::format("; unit {} listens on {}", name, to_string(socket.address));
        }
    }
    return std::unexpected(std::move(error));
}

/// One for each wanted address; empty where the group has one that serves.
Result<std::vector<Listeners::Socket>> Listeners::open_missing(
    const Group& group, const std::vector<SocketAddress>& wanted, const SocketTable& table) const {
    std::vector<Socket> opened;
    const auto undo = [&](Error why) {
        for (const Socket& socket : opened) {
            if (socket.fd) remove_socket_file(socket.address);
        }
        return std::unexpected(std::move(why));
    };
    for (const SocketAddress& address : wanted) {
        const auto old = std::ranges::find(group.sockets, address, &Socket::address);
        Socket& socket = opened.emplace_back(Socket{address, Fd()});
        if (old != group.sockets.end()) continue;
        auto fd = open_socket(address, table);
        if (!fd) return undo(std::move(fd).error());
        set_blocking(fd->get(), !table.accept);
        socket.fd = std::move(*fd);
    }
    return opened;
}

/// What changed in the unit is closed or opened; what serves goes on without a gap.
Result<void> Listeners::ensure(const std::string& unit, const SocketTable& table,
                               std::string_view text) {
    TRY(const auto wanted, addresses_of(table));
    for (const SocketAddress& address : wanted) TRY_VOID(check_free(unit, address));
    const auto known = groups_.find(unit);
    const bool is_new = known == groups_.end();
    auto fresh = is_new ? std::make_unique<Group>(core_.loop) : nullptr;
    Group& group = is_new ? *fresh : *known->second;
    const std::size_t before = group.sockets.size();
    const bool remade = as_made(group.table) != as_made(table);
    std::erase_if(group.sockets, [&](const Socket& socket) {
        const bool serves = !remade && still_listens(socket.fd.get(), socket.address, table) &&
                            std::ranges::find(wanted, socket.address) != wanted.end();
        if (!serves) remove_socket_file(socket.address);
        return !serves;
    });
    auto opened = open_missing(group, wanted, table);
    if (!opened) {
        // What is given up is the keeper's to close too, or the address stays taken for good.
        if (group.sockets.size() != before) keep(unit, group, before);
        return tell_neighbour(std::move(opened).error(), wanted);
    }
    auto& sockets = *opened;
    bool changed = group.sockets.size() != before || group.text != text;
    for (Socket& socket : sockets) {
        changed = changed || socket.fd;
        if (socket.fd) continue;
        const auto old = std::ranges::find(group.sockets, socket.address, &Socket::address);
        socket.fd = std::move(old->fd);
    }
    group.watches.clear();
    group.sockets = std::move(sockets);
    group.table = table;
    group.text = text;
    if (is_new) groups_.emplace(unit, std::move(fresh));
    if (changed) keep(unit, group, before);
    if (is_new) tell(unit, &group);
    return {};
}

void Listeners::keep(const std::string& unit, Group& group, std::size_t before) {
    const auto memfd = sys::sealed_memfd("listener-unit", group.text);
    if (!memfd) spdlog::error("{}: {}", unit, memfd.error().message);
    if (memfd) {
        tell::store(core_.keeper, ipc::Kept::kListener, 0, unit, memfd->get(), ipc::kListenerUnit);
    }
    for (std::size_t i = 0; i < std::max(before, group.sockets.size()); ++i) {
        const auto index = static_cast<std::uint16_t>(i);
        if (i < group.sockets.size()) {
            tell::store(core_.keeper, ipc::Kept::kListener, 0, unit, group.sockets[i].fd.get(),
                        index);
        } else {
            tell::unstore(core_.keeper, ipc::Kept::kListener, 0, unit, index);
        }
    }
}

void Listeners::close(const std::string& unit) {
    connections_.drop(unit);
    if (config::is_connection_name(unit)) {
        const std::string listener = listener_of(unit);
        if (const Group* group = find(listener)) tell(listener, group);
        return;
    }
    const auto found = groups_.find(unit);
    if (found == groups_.end()) return tell(unit, nullptr);
    const auto group = std::move(found->second);
    groups_.erase(found);
    for (std::size_t i = 0; i < group->sockets.size(); ++i) {
        const Socket& socket = group->sockets[i];
        remove_socket_file(socket.address);
        // At once, whoever else still has it.
        if (socket.address.has_connections()) (void)::shutdown(socket.fd.get(), SHUT_RDWR);
        tell::unstore(core_.keeper, ipc::Kept::kListener, 0, unit, static_cast<std::uint16_t>(i));
    }
    tell::unstore(core_.keeper, ipc::Kept::kListener, 0, unit, ipc::kListenerUnit);
    tell(unit, nullptr);
}

void Listeners::adopt(const std::string& unit, std::uint16_t index, Fd fd) {
    adopted_[unit].insert_or_assign(index, std::move(fd));
}

void Listeners::settle(const std::vector<std::string>& instances) {
    for (const std::string& instance : instances) {
        if (config::is_connection_name(instance)) connections_.adopt(instance);
    }
    for (auto& [unit, adopted] : std::exchange(adopted_, {})) take_up(unit, adopted);
}

/// What does not fit together is closed; a start opens it anew.
void Listeners::take_up(const std::string& unit, Adopted& adopted) {
    const auto group =
        std::make_shared<std::unique_ptr<Group>>(std::make_unique<Group>(core_.loop));
    const auto read = [&]() -> Result<void> {
        const auto text = adopted.find(ipc::kListenerUnit);
        if (text == adopted.end()) return fail("what they are is not known");
        TRY((*group)->text, sys::read_memfd(text->second.get()));
        const auto parsed = config::parse_effective(core_.plugins.schema(), unit, (*group)->text);
        if (!parsed) return fail(config::to_string(parsed.error().front()));
        (*group)->table = *parsed->socket;
        TRY(const auto addresses, addresses_of((*group)->table));
        for (std::size_t i = 0; i < addresses.size(); ++i) {
            const auto fd = adopted.find(static_cast<std::uint16_t>(i));
            if (fd == adopted.end()) return fail("some are missing");
            (*group)->sockets.push_back({addresses[i], std::move(fd->second)});
        }
        return {};
    };
    if (const auto done = read(); done) {
        groups_.emplace(unit, std::move(*group));
        return;
    } else {
        spdlog::error("{}: its sockets are closed: {}", unit, done.error().message);
    }
    for (const auto& [index, fd] : adopted) {
        tell::unstore(core_.keeper, ipc::Kept::kListener, 0, unit, index);
    }
}

void Listeners::tell_all() {
    for (const auto& [unit, group] : groups_) tell(unit, group.get());
}

void Listeners::tell(const std::string& unit, const Group* group) {
    auto state = ipc::make<ipc::SocketState>();
    ipc::set_text(state.unit, unit);
    if (group != nullptr) {
        state.open = static_cast<std::uint32_t>(group->sockets.size());
        state.current = static_cast<std::uint32_t>(connections_.count(unit));
        state.accepted = group->accepted;
        state.refused = group->refused;
    }
    core_.engine.send(state);
}

}  // namespace jailsvc::jailer
