#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "engine/client.hpp"
#include "engine/link.hpp"
#include "service/types.hpp"

namespace jailsvc::engine {

/// Questions of clients that the jailer and the logger answer, and commands that run in a jail for
/// a client (exec). Replies find their client by serial or token.
class Asks {
public:
    Asks(Link& jailer, Link& logger) : jailer_(jailer), logger_(logger) {}

    void plan(const std::string& unit, ClientRef client);
    void logs(const std::string& unit, bool follow, std::uint64_t file, ClientRef client);
    /// `overlay`: see config/overlay.hpp.
    void set_property(const std::string& unit, const std::string& overlay, ClientRef client);
    /// Tells the logger that a program of the unit's has ended.
    void end_log_line(std::string_view unit);
    /// A client that goes away takes its command with it: SIGHUP, then SIGKILL.
    void exec(const std::string& unit, service::Token token, service::Token main_token, Fd socket,
              ClientRef client);

    void on_plan_reply(ipc::Packet& packet);
    /// `text` is what came with it.
    void on_property_set(const ipc::SetPropertyReply& reply, const std::string& text);
    void on_log_opened(ipc::Packet& packet);
    // These return whether the token is a client's command.
    bool on_started(const ipc::Started& started);
    bool on_start_failed(const ipc::StartFailed& failed);
    bool on_exited(const ipc::Exited& exited);

    // The other end died: what was asked of it is not answered any more.
    void jailer_lost();
    void logger_lost();

    /// Ends a command that nobody waits for.
    void hang_up(const std::string& unit, service::Token token);

private:
    using Pending = std::map<std::uint64_t, ClientRef>;
    struct Exec {
        std::string unit;
        ClientRef client;
        bool started = false;
    };
    [[nodiscard]] bool may_ask(const Link& link, const Pending& pending, const char* who,
                               const ClientRef& client) const;

    Link& jailer_;
    Link& logger_;
    std::uint64_t last_serial_ = 0;
    Pending plans_;
    Pending properties_;
    Pending logs_;
    std::map<service::Token, Exec> execs_;
};

}  // namespace jailsvc::engine
