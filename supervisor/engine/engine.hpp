#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/places.hpp"
#include "config/aliases.hpp"
#include "config/load.hpp"
#include "engine/asks.hpp"
#include "engine/boot_marks.hpp"
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
#include "engine/shutdown.hpp"
#include "engine/sockets.hpp"
#include "engine/timers.hpp"
#include "engine/transients.hpp"
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
    [[nodiscard]] std::string outdated(std::string_view unit) const override;
    [[nodiscard]] std::vector<std::string> broken_units() const override;
    [[nodiscard]] std::vector<config::Template> templates() const override;
    [[nodiscard]] std::string own_name(const std::string& unit) const override {
        return aliases_.target(unit);
    }
    void load_instances(const std::vector<std::string>& units) override;
    void note_asked(const std::string& unit, service::Request what) override;
    [[nodiscard]] bool stays_stopped(const std::string& unit) const override;
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
    void run_job(const std::string& unit, bool wait, Fd socket, ClientRef client) override;
    void wait_job(const std::string& unit, ClientRef client) override;
    [[nodiscard]] std::vector<std::string> jobs() const override;
    [[nodiscard]] control::Json job(const std::string& unit) const override;
    bool remove_job(const std::string& unit) override;
    ReloadReport reload() override;
    bool shutdown(std::string_view kind) override;

private:
    // engine_links.cpp
    void from_keeper(ipc::Packet& packet);
    void from_jailer(ipc::Packet& packet);
    void from_logger(ipc::Packet& packet);
    void on_peer(ipc::Role role, Fd socket);
    void jailer_lost();
    void lost_logger();
    void on_stored(const ipc::Stored& stored, Fd fd);
    void on_schema(Fd memfd);

    // engine_runs.cpp
    void on_started(const ipc::Started& started);
    void take_started(const ipc::Started& started);
    void on_start_failed(const ipc::StartFailed& failed);
    void on_exited(const ipc::Exited& exited);
    void on_answered(ipc::Token token);
    void tell_exit(const ipc::Exited& exited);
    [[nodiscard]] bool is_running(std::string_view unit) const;
    void on_pressure(const ipc::Pressure& pressure);
    void on_property_set(ipc::Packet& packet);

    // engine_told.cpp
    [[nodiscard]] SelfReports::Handlers for_self_reports();
    [[nodiscard]] MainProcesses::Handlers for_main_processes();
    [[nodiscard]] NotifyHub::Handlers for_notify_hub();
    [[nodiscard]] service::Token draw_token();
    [[nodiscard]] bool seeks_daemon(const std::string& unit, service::Token main_token) const;
    void on_notify(const ipc::Stored& stored, Fd fd);
    void keep_fds(const std::string& unit, const NotifyMessage& message, std::vector<Fd> fds);
    void on_fd_store(const ipc::Stored& stored, Fd fd);
    void tell_main_end(service::Token token, const service::ExitInfo& info);

    // engine_sockets.cpp
    void on_activated(const ipc::Activated& activated);
    void on_connection(const ipc::Connection& connection);
    [[nodiscard]] Result<void> start_for_connection(const std::string& instance);
    void on_socket_state(const ipc::SocketState& state);
    void close_unused(const std::string& unit);
    void settle_sockets();
    void mark_connections();
    void forget_dropped();

    // engine_jobs.cpp
    [[nodiscard]] Transients::Handlers for_transients();
    [[nodiscard]] std::optional<control::Reply> load_job(const std::string& unit);
    void on_run_over(const ipc::LogRunOver& over);
    void discard_job(const std::string& unit);

    // engine_timers.cpp
    bool await_activation(std::string_view unit);
    void on_due(const std::string& unit);
    void take_new_times(const std::string& unit);

    // engine_restore.cpp: from collecting to ready.
    void go_if_complete();
    void go();
    void restore(const std::vector<Records::Entry>& entries);
    [[nodiscard]] std::set<service::Token> tell_snapshot(
        const std::vector<service::Record>& records);
    void end_unrecorded(const ipc::Alive& alive);
    void tell_if_lost(const service::Record& record, const std::set<service::Token>& known);
    void start_wanted();
    [[nodiscard]] service::Manager::Names remembered(ipc::Asked asked) const;
    void listen();

    // engine_units.cpp
    /// Everything with a file, and the instances of templates among `known`.
    [[nodiscard]] UnitSet load_all_units(const std::vector<std::string>& known) const;
    service::Manager::LoadReport take(UnitSet set);
    using FileErrors = std::map<std::string, std::vector<std::string>, std::less<>>;
    static void tell_errors(const FileErrors& all);
    void note_errors(const std::string& unit, const config::Diagnostics& found);
    [[nodiscard]] config::Diagnostics taken_aliases(const config::Unit& unit) const;
    std::size_t load_new(const std::vector<std::string>& names);
    [[nodiscard]] std::set<std::string, std::less<>> running_without(
        const std::vector<config::Unit>& units) const;
    [[nodiscard]] std::vector<std::string> of_use() const;
    void keep_hidden(UnitSet& set) const;
    [[nodiscard]] std::vector<config::Unit> read_new(const std::vector<std::string>& names);
    [[nodiscard]] std::vector<std::string> unknown_of(const std::vector<std::string>& names,
                                                      const std::vector<config::Unit>& more) const;
    bool load_again(const std::string& unit);
    [[nodiscard]] Digest digest_of_start(std::string_view unit) const;

    /// Before each sleep: settled jobs are answered, requests leave for the jailer.
    void settle();
    void trim();

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
    BootMarks boot_marks_;
    Schedules schedules_;
    service::Manager manager_;
    SelfReports self_reports_;
    MainProcesses main_processes_;
    NotifyHub notify_hub_;
    FdStore fd_store_;
    Jobs jobs_;
    Asks asks_;
    Shutdown shutdown_;
    Transients transients_;
    Dispatcher dispatcher_;
    Server server_;
    PrepareWatch settle_;
    TimerWatch rest_;
    TimerWatch impatience_;
    FileErrors file_errors_;
    config::Aliases aliases_;
    std::vector<config::Template> templates_;  ///< those that load
    UnitGroups groups_;
    Sockets sockets_;
    std::vector<ipc::Connection> connections_;  ///< that came before the units, until ready
    KeptUnits kept_units_;                      ///< of the snapshot, until ready
    std::vector<ipc::Alive> alive_;             ///< of the snapshot, until ready
    std::vector<ipc::Exited> exited_;           ///< likewise
    bool snapshot_complete_ = false;
    bool ready_ = false;
    std::size_t starts_ = 0;  ///< asked for since memory was last given back
};

}  // namespace jailsvc::engine
