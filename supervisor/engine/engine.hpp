#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/places.hpp"
#include "config/load.hpp"
#include "engine/asks.hpp"
#include "engine/dispatch.hpp"
#include "engine/early_exits.hpp"
#include "engine/fd_store.hpp"
#include "engine/jobs.hpp"
#include "engine/kept_units.hpp"
#include "engine/launcher.hpp"
#include "engine/link.hpp"
#include "engine/main_processes.hpp"
#include "engine/monitors.hpp"
#include "engine/notify_hub.hpp"
#include "engine/records.hpp"
#include "engine/reporter.hpp"
#include "engine/schedules.hpp"
#include "engine/self_reports.hpp"
#include "engine/server.hpp"
#include "engine/sockets.hpp"
#include "engine/timers.hpp"
#include "engine/unit_groups.hpp"
#include "engine/unit_set.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// The wiring: what comes in over the three links and the control socket goes to the manager, what
/// the manager wants goes out. Life in three steps: the keeper's snapshot and the jailer's schema
/// arrive in any order (`collecting`); then the units are loaded, the records restored and what
/// happened meanwhile told (`ready`); at a shutdown everything is stopped (`ending`).
class Engine final : public Elsewhere {
public:
    Engine(struct ev_loop* loop, const Places& places, Roles roles, Fd keeper);

    // Elsewhere, for the methods of the control socket.
    [[nodiscard]] bool ready() const override { return ready_; }
    [[nodiscard]] const std::vector<std::string>* file_errors(std::string_view unit) const override;
    [[nodiscard]] std::vector<std::string> broken_units() const override;
    [[nodiscard]] std::vector<config::Template> templates() const override;
    void load_instances(const std::vector<std::string>& units) override;
    [[nodiscard]] Extra extra(std::string_view unit) const override;
    [[nodiscard]] std::optional<Usage> usage(std::string_view unit, pid_t main) const override;
    [[nodiscard]] UnitGroups::Hits hits(std::string_view unit) const override;
    [[nodiscard]] std::vector<pid_t> processes(std::string_view unit, pid_t main) const override;
    [[nodiscard]] bool is_grouped(std::string_view unit) const override;
    [[nodiscard]] bool is_frozen(std::string_view unit) const override;
    void freeze(std::string_view unit, bool on) override;
    [[nodiscard]] SelfReport self_report(std::string_view unit) const override {
        return self_reports_.of(unit);
    }
    [[nodiscard]] Schedules::Times times_of(std::string_view unit) const override {
        return schedules_.times_of(unit);
    }
    [[nodiscard]] Result<std::string> settings(const config::Unit& unit) const override;
    void plan(const std::string& unit, ClientRef client) override;
    void logs(const LogQuestion& question, ClientRef client) override;
    void exec(const std::string& unit, service::Token main_token, Fd socket,
              ClientRef client) override;
    void set_property(const std::string& unit, const std::map<std::string, std::string>& pairs,
                      ClientRef client) override;
    [[nodiscard]] Sockets::State socket_state(std::string_view unit) const override;
    ReloadReport reload() override;
    bool shutdown(std::string_view kind) override;

private:
    // What the links bring.
    void from_keeper(ipc::Packet& packet);
    void from_jailer(ipc::Packet& packet);
    void from_logger(ipc::Packet& packet);
    void on_peer(ipc::Role role, Fd socket);
    void on_stored(const ipc::Stored& stored, Fd fd);
    void on_exited(const ipc::Exited& exited);
    void on_answered(ipc::Token token);
    void jailer_lost();
    [[nodiscard]] bool is_running(std::string_view unit) const;
    void tell_exit(const ipc::Exited& exited);
    void tell_main_end(service::Token token, const service::ExitInfo& info);
    [[nodiscard]] service::Token draw_token();
    [[nodiscard]] bool seeks_daemon(const std::string& unit, service::Token main_token) const;
    void keep_fds(const std::string& unit, const NotifyMessage& message, std::vector<Fd> fds);
    void on_fd_store(const ipc::Stored& stored, Fd fd);
    void on_notify(const ipc::Stored& stored, Fd fd);
    [[nodiscard]] SelfReports::Handlers for_self_reports();
    [[nodiscard]] MainProcesses::Handlers for_main_processes();
    [[nodiscard]] NotifyHub::Handlers for_notify_hub();
    void on_schema(Fd memfd);
    void on_property_set(ipc::Packet& packet);
    void on_pressure(const ipc::Pressure& pressure);
    void on_started(const ipc::Started& started);
    void take_started(const ipc::Started& started);
    void on_start_failed(const ipc::StartFailed& failed);

    // engine_sockets.cpp
    void on_activated(const ipc::Activated& activated);
    void on_connection(const ipc::Connection& connection);
    [[nodiscard]] Result<void> start_for_connection(const std::string& instance);
    void on_socket_state(const ipc::SocketState& state);
    void close_unused(const std::string& unit);
    void settle_sockets();
    bool await_activation(std::string_view unit);
    void on_due(const std::string& unit);
    void take_new_times(const std::string& unit);
    void mark_connections();
    void forget_dropped();

    // From collecting to ready.
    void go_if_complete();
    void go();
    void restore(const std::vector<Records::Entry>& entries);
    void end_unrecorded(const ipc::Alive& alive);
    void tell_if_lost(const service::Record& record, const std::set<service::Token>& known);
    void start_wanted();
    void listen();

    // Units.
    /// Everything with a file, and the instances of templates among `known`.
    [[nodiscard]] UnitSet load_all_units(const std::vector<std::string>& known) const;
    service::Manager::LoadReport take(UnitSet set);
    using FileErrors = std::map<std::string, std::vector<std::string>, std::less<>>;
    static void tell_errors(const FileErrors& all);
    void note_errors(const std::string& unit, const config::Diagnostics& found);
    std::size_t load_new(std::vector<std::string> names);
    [[nodiscard]] std::vector<std::string> unknown_of(const std::vector<std::string>& names,
                                                      const std::vector<config::Unit>& more) const;
    bool load_again(const std::string& unit);
    [[nodiscard]] Digest digest_of_start(std::string_view unit) const;

    /// Before each sleep: settled jobs are answered, requests leave for the jailer.
    void settle();
    void trim();
    void begin_shutdown(Records::Ending ending);
    [[nodiscard]] std::uint64_t stop_deadline_ns() const;
    void answer_shutdown();
    void announce_shutdown(ipc::ShutdownKind kind);

    struct ev_loop* loop_;
    config::Sources sources_;
    Link keeper_;
    Link jailer_;
    Link logger_;
    std::optional<Records> records_;
    std::optional<config::Schema> schema_;
    Fd listener_;  ///< until there is something to tell clients
    Monitors monitors_;
    Reporter reporter_;
    EarlyExits early_exits_;
    JailerLauncher launcher_;
    LoopTimers timers_;
    Schedules schedules_;
    service::Manager manager_;
    SelfReports self_reports_;
    MainProcesses main_processes_;
    NotifyHub notify_hub_;
    FdStore fd_store_;
    Jobs jobs_;
    Asks asks_;
    Dispatcher dispatcher_;
    Server server_;
    PrepareWatch settle_;
    TimerWatch impatience_;
    FileErrors file_errors_;
    std::vector<config::Template> templates_;  ///< those that load
    UnitGroups groups_;
    Sockets sockets_;
    std::vector<ipc::Connection> connections_;  ///< that came before the units, until ready
    KeptUnits kept_units_;                      ///< of the snapshot, until ready
    std::vector<ipc::Alive> alive_;             ///< of the snapshot, until ready
    std::vector<ipc::Exited> exited_;           ///< likewise
    std::optional<Records::Ending> ending_;
    bool snapshot_complete_ = false;
    bool ready_ = false;
    std::size_t starts_ = 0;  ///< asked for since memory was last given back
    bool stopping_ = false;   ///< stop_all was asked for
};

}  // namespace jailsvc::engine
