#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "service/manager.hpp"

/// A world for the manager: it writes down what was asked of it and answers when the test says so.
namespace jailsvc::service::fakes {

inline config::Unit unit(std::string name) {
    config::Unit made;
    made.name = std::move(name);
    made.service.exec_start = {"/bin/x"};
    made.digest = digest_of(made.name);
    return made;
}

struct Launched {
    Token token;
    Token main_token;
    std::string unit;
    Purpose purpose;
    std::uint16_t command;
    int main_status;
};

struct Signalled {
    std::string unit;
    Token token;
    int signo;
    Whom whom;
    bool operator==(const Signalled&) const = default;
};

struct World : Launcher, Timers, Observer {
    std::vector<Launched> launches;
    std::vector<Signalled> signals;
    std::vector<std::pair<std::string, Token>> teardowns;
    std::set<Token> restarting;       ///< of these, those after which the unit starts by itself
    std::set<std::string> kept;       ///< for a restart
    std::set<std::string> awaited;    ///< connections over the sockets of these are
    std::vector<std::string> closed;  ///< units whose sockets were
    std::vector<std::string> dropped_units;
    std::vector<std::pair<std::string, Token>> sought;  ///< daemons
    std::map<std::pair<std::string, TimerKind>, config::Duration> timers;
    std::map<JobId, std::vector<JobResult>> results;
    std::map<std::string, Record> records;          ///< what a new engine would find
    std::vector<std::string> log;                   ///< "web running": states, in the order told
    std::vector<std::string> notes;                 ///< "web: text"
    std::vector<std::string> health;                ///< "web unhealthy: text"
    std::vector<std::pair<std::string, int>> ends;  ///< of essential units
    std::uint64_t now = 1'000'000'000;

    void launch(const LaunchRequest& request) override {
        launches.push_back({request.token, request.main_token, std::string(request.unit),
                            request.purpose, request.command, request.main_status});
    }
    void signal(std::string_view unit, Token token, int signo, Whom whom) override {
        signals.push_back({std::string(unit), token, signo, whom});
    }
    void teardown(std::string_view unit, Token token, bool restarts) override {
        if (restarts) restarting.insert(token);
        teardowns.emplace_back(unit, token);
        if (restarts) kept.insert(std::string(unit));
    }
    void release(std::string_view unit, Token) override { kept.erase(std::string(unit)); }
    void await_connection(std::string_view unit) override { awaited.insert(std::string(unit)); }
    void close_sockets(std::string_view unit) override {
        awaited.erase(std::string(unit));
        closed.emplace_back(unit);
    }
    void find_daemon(std::string_view unit, Token main_token) override {
        sought.emplace_back(unit, main_token);
    }
    void arm(std::string_view unit, TimerKind kind, config::Duration after) override {
        timers[{std::string(unit), kind}] = after;
    }
    void disarm(std::string_view unit, TimerKind kind) override {
        timers.erase({std::string(unit), kind});
    }
    [[nodiscard]] std::uint64_t now_ns() const override { return now; }
    void changed(const Record& record, State before) override {
        records[record.unit] = record;
        if (before != record.state) {
            log.push_back(std::string(record.unit) + " " + std::string(name_of(record.state)));
        }
    }
    void settled(JobId job, const JobResult& result) override { results[job].push_back(result); }
    void noted(std::string_view unit, const std::string& text) override {
        notes.push_back(std::string(unit) + ": " + text);
    }
    void health_changed(std::string_view unit, Health, Health is,
                        const std::string& reason) override {
        health.push_back(std::string(unit) + " " + std::string(name_of(is)) +
                         (reason.empty() ? "" : ": " + reason));
    }
    void essential_ended(std::string_view unit, int exit_code) override {
        ends.emplace_back(unit, exit_code);
    }
    void dropped(std::string_view unit) override { dropped_units.emplace_back(unit); }
};

/// A manager in a world, with the short words that tests are written in.
struct Stage {
    World world;
    Manager manager{world, world, world};

    explicit Stage(std::vector<config::Unit> units) : report(manager.load(std::move(units))) {}
    Manager::LoadReport report;

    JobId ask(Request what, const std::string& unit) {
        const auto job = manager.request(what, unit);
        if (!job) throw std::runtime_error(job.error().message);
        return *job;
    }
    [[nodiscard]] State state(const std::string& unit) const {
        return manager.status(unit)->record.state;
    }
    [[nodiscard]] std::string because(const std::string& unit) const {
        return manager.status(unit)->because;
    }
    [[nodiscard]] Vitals record(const std::string& unit) const {
        return manager.status(unit)->record;
    }
    [[nodiscard]] Token main(const std::string& unit) const { return record(unit).main_token; }
    [[nodiscard]] Token control(const std::string& unit) const {
        return record(unit).control_token;
    }
    [[nodiscard]] bool settled(JobId job) const { return world.results.contains(job); }
    [[nodiscard]] JobResult result(JobId job) const {
        const auto& all = world.results.at(job);
        if (all.size() != 1) throw std::runtime_error("settled more than once");
        return all.front();
    }
    [[nodiscard]] std::optional<config::Duration> timer(const std::string& unit,
                                                        TimerKind kind) const {
        const auto found = world.timers.find({unit, kind});
        if (found == world.timers.end()) return std::nullopt;
        return found->second;
    }
    [[nodiscard]] Purpose last_launch() const { return world.launches.back().purpose; }

    void started(const std::string& unit) { manager.on_started(main(unit), 100, world.now); }
    void exited(const std::string& unit, int code) {
        manager.on_exited(main(unit), {.code = code});
    }
    void died(const std::string& unit, int signo) {
        manager.on_exited(main(unit), {.by_signal = true, .code = signo});
    }
    void command(const std::string& unit, int code) {
        manager.on_exited(control(unit), {.code = code});
    }
    void checked(const std::string& unit, int code) {
        manager.on_exited(record(unit).check_token, {.code = code});
    }
    /// Its sockets are closed, as was asked.
    void shut(const std::string& unit) { manager.on_sockets_closed(unit); }
    void torn_down(const std::string& unit) { manager.on_torn_down(unit, main(unit)); }
    void fire(const std::string& unit, TimerKind kind) {
        world.timers.erase({unit, kind});
        manager.on_timer(unit, kind);
    }
    /// Start requested, answered by the world.
    void up(const std::string& unit) {
        (void)ask(Request::kStart, unit);
        started(unit);
    }
};

}  // namespace jailsvc::service::fakes
