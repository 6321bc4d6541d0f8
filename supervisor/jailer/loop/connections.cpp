#include "jailer/loop/connections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "config/names.hpp"
#include "ipc/messages.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kPatience = 30;  ///< [s] until the instance has to take it
constexpr std::uint64_t kNsPerMs = 1'000'000;

std::string prefix_of(const std::string& unit) {
    return unit + "@:";
}

}  // namespace

struct Connections::Pending {
    explicit Pending(struct ev_loop* loop) : limit(loop) {}
    Fd connection;
    Peer peer;
    bool stdio = false;
    TimerWatch limit;
};

/// Numbers go on where an earlier jailer's can hardly have been.
Connections::Connections(struct ev_loop* loop) : loop_(loop), serial_(boottime_ns() / kNsPerMs) {}
Connections::~Connections() = default;

std::string listener_of(const std::string& instance) {
    return instance.substr(0, instance.find('@'));
}

std::size_t Connections::count(const std::string& unit, std::string_view source) const {
    const std::string prefix = prefix_of(unit);
    std::size_t found = 0;
    for (auto at = instances_.lower_bound(prefix);
         at != instances_.end() && at->starts_with(prefix); ++at) {
        const std::string_view rest = std::string_view(*at).substr(prefix.size());
        if (source.empty() || rest.substr(rest.find(':') + 1) == source) ++found;
    }
    return found;
}

std::string Connections::add(const std::string& unit, Fd connection, Peer peer, bool stdio) {
    const std::string instance = fmt::format("{}{}:{}", prefix_of(unit), ++serial_, peer.source);
    if (!config::is_unit_name(instance) || instance.size() >= ipc::kNameSize) return {};
    if (!instances_.insert(instance).second) return {};
    auto pending = std::make_unique<Pending>(loop_);
    pending->connection = std::move(connection);
    pending->peer = std::move(peer);
    pending->stdio = stdio;
    pending->limit.start(kPatience, [this, instance] { drop(instance); });
    pending_.emplace(instance, std::move(pending));
    return instance;
}

Result<void> Connections::give(const std::string& instance, Program& program) const {
    const auto found = pending_.find(instance);
    if (found == pending_.end()) {
        return fail(instance + ": has no connection (any more); only one starts it", ENOTCONN);
    }
    const Pending& pending = *found->second;
    const auto set = [&](const char* name, const std::string& value) {
        if (!value.empty()) program.environment.push_back(fmt::format("{}={}", name, value));
    };
    set("REMOTE_ADDR", pending.peer.address);
    set("REMOTE_PORT", pending.peer.port);
    if (pending.stdio) {
        program.stdin_fd = program.stdout_fd = pending.connection.get();
        return {};
    }
    program.passed = {pending.connection.get()};
    set("LISTEN_FDS", "1");
    set("LISTEN_FDNAMES", "connection");
    program.pid_variable = "LISTEN_PID";
    return {};
}

void Connections::given(const std::string& instance) {
    pending_.erase(instance);
}

void Connections::drop(const std::string& instance) {
    instances_.erase(instance);
    pending_.erase(instance);  // last: it may be its timer that called us, with our argument
}

}  // namespace jailsvc::jailer
