#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/loop/watch.hpp"
#include "jailer/sockets/peer.hpp"

namespace jailsvc::jailer {

/// Connections that were accepted for instances of templates. An instance is named after its
/// connection, "echo@:17:192.0.2.1", so that whoever knows the living instances knows how many
/// connections there are, and whose: a jailer after us too.
class Connections {
public:
    explicit Connections(struct ev_loop* loop);
    ~Connections();

    /// Of the unit's template; those of one source alone, if one is named.
    [[nodiscard]] std::size_t count(const std::string& unit, std::string_view source = {}) const;

    /// The name of the instance that the connection waits for; empty where there can be none. Given
    /// up after a while.
    [[nodiscard]] std::string add(const std::string& unit, Fd connection, Peer peer, bool stdio);

    /// As descriptor 3, or as standard input and output, and who is at its other end. ENOTCONN
    /// where no connection waits for that instance.
    [[nodiscard]] Result<void> give(const std::string& instance, Program& program) const;
    /// It has it: our own descriptor is closed.
    void given(const std::string& instance);
    /// The instance is over, or never was.
    void drop(const std::string& instance);
    /// It lives, from before us.
    void adopt(const std::string& instance) { instances_.insert(instance); }

private:
    struct Pending;
    struct ev_loop* loop_;
    std::set<std::string> instances_;
    std::map<std::string, std::unique_ptr<Pending>> pending_;
    std::uint64_t serial_;
};

/// The unit whose sockets a connection came over: "echo" of "echo@:17:192.0.2.1".
[[nodiscard]] std::string listener_of(const std::string& instance);

}  // namespace jailsvc::jailer
