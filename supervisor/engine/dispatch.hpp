#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/message.hpp"
#include "engine/client.hpp"
#include "engine/elsewhere.hpp"
#include "engine/jobs.hpp"
#include "engine/monitors.hpp"
#include "engine/naming.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// The methods of io.jailsvc.Control.
class Dispatcher {
public:
    Dispatcher(service::Manager& manager, Jobs& jobs, Elsewhere& elsewhere, Monitors& monitors);

    /// Replies to `client` now or later, exactly once.
    void dispatch(const control::Call& call, std::vector<Fd> fds, const Caller& caller,
                  const ClientRef& client);

private:
    struct Request {
        const control::Json& parameters;
        std::vector<Fd> fds;
        ClientRef client;
        bool more = false;  ///< the client takes several replies
    };
    struct Method;
    static const Method* find_method(std::string_view name);
    [[nodiscard]] std::optional<control::Reply> refusal(const Method& method,
                                                        const control::Call& call,
                                                        const Caller& caller) const;

    void start(Request& request) { change(request, service::Request::kStart); }
    void stop(Request& request) { change(request, service::Request::kStop); }
    void restart(Request& request) { change(request, service::Request::kRestart); }
    void reload(Request& request) { change(request, service::Request::kReload); }
    void change(Request& request, service::Request what);
    void kill(Request& request);
    void freeze(Request& request) { hold(request, true); }
    void thaw(Request& request) { hold(request, false); }
    void hold(Request& request, bool on);
    void reset_failed(Request& request);
    void status(Request& request);
    void dependencies(Request& request);
    void monitor(Request& request);
    void processes(Request& request);
    void list_sockets(Request& request);
    void list_timers(Request& request);
    void trigger(Request& request);
    void show(Request& request);
    void plan(Request& request);
    void logs(Request& request);
    void exec(Request& request);
    void set_property(Request& request);
    void run_job(Request& request);
    void wait_job(Request& request);
    void list_jobs(Request& request);
    void remove_jobs(Request& request);
    void daemon_reload(Request& request);
    void version(Request& request);
    void shutdown(Request& request);

    [[nodiscard]] control::Json status_of(const std::string& unit) const;
    [[nodiscard]] std::vector<std::string> notes_of(const config::Unit& unit) const;
    /// What a parameter says; or the client has been answered what is wrong with it.
    template <typename T>
    [[nodiscard]] static std::optional<T> taken(const Request& request, Naming::Answered<T> read);
    [[nodiscard]] std::optional<std::string> unit(const Request& request);
    void change_one(UnitOutcome& outcome, service::Request what,
                    std::optional<service::JobId>& job);

    service::Manager& manager_;
    Jobs& jobs_;
    Elsewhere& elsewhere_;
    Monitors& monitors_;
    Naming naming_;
};

/// Whether the descriptor is one that a client may speak to the jailer on.
[[nodiscard]] bool is_packet_socket(int fd);

}  // namespace jailsvc::engine
