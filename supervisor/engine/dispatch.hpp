#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/message.hpp"
#include "engine/client.hpp"
#include "engine/jobs.hpp"
#include "engine/records.hpp"
#include "engine/unit_groups.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// What a reload of all unit files found.
struct ReloadReport {
    std::vector<std::string> added, changed, removed, stale, errors, warnings;
};

/// What methods need that is done by other processes or touches files. Answers may come later.
class Elsewhere {
public:
    virtual ~Elsewhere() = default;
    /// Whether the units are loaded; before that only questions about ourselves are answered.
    [[nodiscard]] virtual bool ready() const = 0;
    /// Errors of the unit's file: why the unit is unknown, or why an edit has not been taken.
    [[nodiscard]] virtual const std::vector<std::string>* file_errors(
        std::string_view unit) const = 0;
    /// Units that are unknown because of errors in their files, sorted.
    [[nodiscard]] virtual std::vector<std::string> broken_units() const = 0;
    /// Loads the instance of a template; false: no such template, or it has errors.
    virtual bool load_instance(const std::string& unit) = 0;
    [[nodiscard]] virtual Extra extra(std::string_view unit) const = 0;
    /// What the service uses, if it runs.
    [[nodiscard]] virtual std::optional<Usage> usage(std::string_view unit, pid_t main) const = 0;
    /// How often it reached a limit since it began.
    [[nodiscard]] virtual UnitGroups::Hits hits(std::string_view unit) const = 0;
    /// Every setting of the unit, defaults included.
    [[nodiscard]] virtual Result<std::string> settings(const config::Unit& unit) const = 0;
    virtual void plan(const std::string& unit, ClientRef client) = 0;
    virtual void logs(const std::string& unit, bool follow, ClientRef client) = 0;
    virtual void exec(const std::string& unit, service::Token main_token, Fd socket,
                      ClientRef client) = 0;
    virtual ReloadReport reload() = 0;
    /// kind: exit, poweroff, reboot, halt, kexec, soft-reboot; false: unknown.
    virtual bool shutdown(std::string_view kind) = 0;
};

/// The methods of io.jailsvc.Control.
class Dispatcher {
public:
    Dispatcher(service::Manager& manager, Jobs& jobs, Elsewhere& elsewhere);

    /// Replies to `client` now or later, exactly once.
    void dispatch(const control::Call& call, std::vector<Fd> fds, const Caller& caller,
                  const ClientRef& client);

private:
    struct Request {
        const control::Json& parameters;
        std::vector<Fd> fds;
        ClientRef client;
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
    void reset_failed(Request& request);
    void status(Request& request);
    void show(Request& request);
    void plan(Request& request);
    void logs(Request& request);
    void exec(Request& request);
    void daemon_reload(Request& request);
    void version(Request& request);
    void shutdown(Request& request);

    /// The units a call names, each known; or the client has been answered.
    [[nodiscard]] std::optional<std::vector<std::string>> units(const Request& request);
    /// As above, of units that need not load; all there are if the call names none.
    [[nodiscard]] std::optional<std::vector<std::string>> units_to_show(const Request& request);
    /// What the list of units holds, whether or not there are such units.
    [[nodiscard]] std::optional<std::vector<std::string>> unit_names(const Request& request);
    [[nodiscard]] control::Json status_of(const std::string& unit) const;
    [[nodiscard]] std::optional<std::string> unit(const Request& request);
    [[nodiscard]] std::optional<control::Reply> unknown(const std::string& unit);

    service::Manager& manager_;
    Jobs& jobs_;
    Elsewhere& elsewhere_;
};

}  // namespace jailsvc::engine
