#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "engine/client.hpp"
#include "engine/elsewhere.hpp"
#include "engine/link.hpp"
#include "engine/questions.hpp"
#include "service/types.hpp"

namespace jailsvc::engine {

/// Questions of clients that the jailer and the logger answer, and commands that run in a jail for
/// a client (exec). Replies find their client by serial or token.
class Asks {
public:
    /// `on_exec` is called before a command's token leaves for the jailer.
    Asks(struct ev_loop* loop, Link& jailer, Link& logger,
         std::function<void(service::Token)> on_exec);

    void plan(const std::string& unit, ClientRef client);
    /// Of a unit whose run is over: the logger answers when all of its output is in the log. False:
    /// there is no logger.
    [[nodiscard]] bool end_output(std::string_view unit);
    void logs(const LogQuestion& question, ClientRef client);
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

    // The other end died, and what it was asked waits for the next one; there is a next one.
    void jailer_lost();
    void logger_lost();
    void jailer_back();
    void logger_back();

    /// Ends a command that nobody waits for.
    void hang_up(const std::string& unit, service::Token token);

private:
    struct Exec {
        std::string unit;
        ClientRef client;
        std::optional<Link::Message> unsent = {};  ///< for a jailer that is being restarted
        bool started = false;
    };
    using Execs = std::map<service::Token, Exec>;
    void send_exec(service::Token token, Exec& exec, Link::Message message);
    void on_client_gone(service::Token token);
    void take_back_execs();
    void give_up_execs();
    /// Takes those out of which `what` is true.
    [[nodiscard]] Execs take_execs(const std::function<bool(const Exec&)>& what);

    Link& jailer_;
    Link& logger_;
    std::function<void(service::Token)> on_exec_;
    Questions plans_;
    Questions properties_;
    Questions logs_;
    Execs execs_;
    TimerWatch exec_patience_;
};

}  // namespace jailsvc::engine
