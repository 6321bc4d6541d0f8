#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "engine/link.hpp"
#include "service/types.hpp"

namespace jailsvc::engine {

/// Asks the jailer on behalf of the state machine. Requests are collected and leave with `flush`,
/// after the records that announce them were written.
class JailerLauncher final : public service::Launcher {
public:
    /// The digest that goes with a Start: of the effective unit that the state machine means.
    using DigestOf = std::function<Digest(std::string_view unit)>;
    /// Called before a token leaves.
    using Reserve = std::function<void(service::Token)>;

    /// Looks for a daemon: see MainProcesses.
    using FindDaemon = std::function<void(std::string_view unit, service::Token main_token)>;

    /// Sees to what starts the unit but connections; whether these do too.
    using Await = std::function<bool(std::string_view unit)>;

    JailerLauncher(Link& jailer, DigestOf digest_of, Reserve reserve, FindDaemon find_daemon,
                   Await await);

    void launch(const service::LaunchRequest& request) override;
    void signal(std::string_view unit, service::Token token, int signo,
                service::Whom whom) override;
    void teardown(std::string_view unit, service::Token token, bool restarts) override;
    void release(std::string_view unit, service::Token token) override;
    void await_connection(std::string_view unit) override;
    void close_sockets(std::string_view unit) override;
    void find_daemon(std::string_view unit, service::Token main_token) override {
        find_daemon_(unit, main_token);
    }

    /// Sends what was collected.
    void flush();
    [[nodiscard]] bool idle() const { return collected_.empty(); }

    /// For a new jailer: forgets collected starts and teardowns, which Manager::resume asks for
    /// again, and what clients ask, which Asks has an eye on; returns the rest of these and of
    /// what the old jailer did not take.
    [[nodiscard]] std::deque<Link::Message> start_over(std::deque<Link::Message> unsent);
    void append(std::deque<Link::Message> messages);

private:
    template <ipc::Message T>
    void collect(const T& message);

    Link& jailer_;
    DigestOf digest_of_;
    Reserve reserve_;
    FindDaemon find_daemon_;
    Await await_;
    std::deque<Link::Message> collected_;
};

}  // namespace jailsvc::engine
