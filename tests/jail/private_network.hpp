#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.hpp"
#include "jailer/net/net_namespace.hpp"
#include "jailer_world.hpp"

/// Networks between jails in a network namespace of the test's own: neither the machine's
/// interfaces nor its nftables are touched. What a jail reaches is tried by sockets made in its
/// namespace; that a program in it has no other is for network_test.cpp.
namespace jailsvc::test {

/// Skips the test, and says why.
#define NEED_NETWORKS \
    if (!::jailsvc::test::can_have_networks()) return

[[nodiscard]] bool can_have_networks();

[[nodiscard]] Fd new_network();

/// The test's own "machine": the jailer and everything it makes are in it.
struct Machine {
    Fd network = new_network();
    jailer::IntoNetwork into{network.get()};
};

/// A unit that answers every connection to `port` with its name.
[[nodiscard]] std::string serving(const std::string& name, int port, const std::string& network);

/// What came from there, or "errno N"; "errno 110" (ETIMEDOUT) where nothing did.
[[nodiscard]] std::string ask(int from, const std::string& address, int port,
                              int patience_ms = 10'000, const std::string& source = "");

/// What ask says where nobody may call.
extern const std::string kRefused;

[[nodiscard]] std::string file_in(pid_t pid, const std::string& path);

/// Every interface, and every rule: what must be the same before and after.
[[nodiscard]] std::string everything();

/// Three units: web may call api, api may call db.
class Chain {
public:
    Chain();
    /// Started, and listening.
    pid_t up(ipc::Token token, const std::string& unit, int port);
    /// Each unit writes a byte when it listens, which is left unread by a logger that is not there.
    void await_listening(const std::string& unit);
    [[nodiscard]] int of(ipc::Token token) { return world.processes.at(token).pidfd.get(); }
    /// As the jail itself has it in its /etc/hosts.
    [[nodiscard]] std::string address(const std::string& unit);
    void down(ipc::Token token, const std::string& unit);

    JailerWorld world;
};

}  // namespace jailsvc::test
