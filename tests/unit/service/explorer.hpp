#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {

/// Which events the explorer tries. Everything the world can answer is always among them unless
/// left out here.
struct Alphabet {
    bool restart = true;
    bool reload = true;
    bool exit_clean = true;
    bool exit_signal = true;
    bool launch_failure = true;
    bool timeouts = true;      ///< of start and stop
    bool interrupted = true;   ///< a launch is undone by the death of the jailer
    bool late_answers = true;  ///< the exit is heard before the start; then the start, or a failure
    bool checks = true;        ///< health checks end badly, late, or are not made
    bool tells = true;         ///< services tell of themselves, if they are of such a type
    bool load = true;          ///< the units are loaded again, changed
    std::size_t max_open = 99;      ///< requests that have not settled
    std::size_t restore_every = 1;  ///< every so many states also survive the engine's death
    std::size_t settle_every = 1;   ///< every so many are run to rest, to see all requests settle
};

struct Exploration {
    std::size_t states = 0;
    std::size_t transitions = 0;
    std::size_t restored = 0;
    bool complete = true;           ///< false: ended at the limit of states
    std::string violation;          ///< empty: none found
    std::vector<std::string> path;  ///< events that lead there
};

/// Its place among Side::timers.
inline std::uint8_t bit(TimerKind kind) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(kind));
}

/// Walks through all states that a set of units can reach, in every order of events, breadth first,
/// and checks the invariants in each. It jumps between states by exchanging the manager's Life of
/// each unit. Time stands still, so the start limit's interval never ends.
class Explorer : Launcher, Timers, Observer {
public:
    using Table = Step (*)(State, Event, const Facts&);

    Explorer(std::vector<config::Unit> units, Alphabet alphabet, Table table = step);
    [[nodiscard]] Exploration run(std::size_t max_states);

private:
    enum class Process : std::uint8_t { kNone, kLaunching, kAlive };
    /// The world's side of a unit.
    struct Side {
        Process main = Process::kNone, control = Process::kNone;
        Token main_token = 0, control_token = 0;
        Token condition_token = 0;  ///< its conditions are to be looked at, not answered
        bool met = false;           ///< they were, since it began to start
        Token listen_token = 0;     ///< sockets are to be opened, not answered
        bool open = false;          ///< they are
        bool closing = false;       ///< they are to be closed, not answered
        bool awaited = false;       ///< it is to be told when something comes
        bool tearing = false;       ///< teardown asked for, not answered
        bool torn = true;           ///< the last main token's jail is gone
        bool again = false;         ///< an interrupted start is being made again
        bool late = false;          ///< its exit was heard, its start not
        bool said_ready = false;    ///< the main process, since its launch
        bool finding = false;       ///< its daemon is looked for
        bool adopted = false;       ///< and has been found
        Process check = Process::kNone;
        Token check_token = 0;
        bool check_killed = false;  ///< it is to end
        bool was_well = false;      ///< a check was good since the launch
        std::uint8_t timers = 0;
        bool operator==(const Side&) const = default;
    };
    struct Move {
        const char* name = "";
        std::size_t unit = 0;
        void (*act)(Explorer& self, std::size_t unit) = nullptr;
    };
    struct Snapshot {
        std::vector<Life> lives;
        std::vector<Side> sides;
        std::multiset<JobId> open;
        Token next_token = 1;
        JobId next_job = 1;
        std::size_t parent = 0;
        Move event;
    };

    void launch(const LaunchRequest& request) override;
    void signal(std::string_view unit, Token token, int signo, Whom whom) override;
    void teardown(std::string_view unit, Token token, bool restarts) override;
    void release(std::string_view, Token) override {}
    void await_connection(std::string_view unit) override;
    void close_sockets(std::string_view unit) override;
    void find_daemon(std::string_view unit, Token main_token) override;
    void arm(std::string_view unit, TimerKind kind, config::Duration after) override;
    void disarm(std::string_view unit, TimerKind kind) override;
    [[nodiscard]] std::uint64_t now_ns() const override { return 1000; }
    void changed(const Record& record, State before) override;
    void settled(JobId job, const JobResult& result) override;
    void noted(std::string_view, const std::string&) override {}
    void health_changed(std::string_view unit, Health before, Health now,
                        const std::string& reason) override;
    void essential_ended(std::string_view, int) override {}
    void dropped(std::string_view) override {}

    [[nodiscard]] std::size_t index(std::string_view unit) const;
    [[nodiscard]] Entry& entry(std::size_t unit) const { return *entries_[unit]; }
    void expect(bool holds, const std::string& what);

    [[nodiscard]] Snapshot save() const;
    void jump(const Snapshot& to);
    [[nodiscard]] std::string canonical(bool with_jobs) const;
    [[nodiscard]] std::vector<Move> moves();
    void add_requests(std::vector<Move>& moves, std::size_t unit);
    void add_main(std::vector<Move>& moves, std::size_t unit);
    void add_told(std::vector<Move>& moves, std::size_t unit);
    void tell(Told what, std::size_t unit);
    void adopt(std::size_t unit);
    void check_ready(std::size_t unit);
    void check_health(std::size_t unit);
    void add_checks(std::vector<Move>& moves, std::size_t unit);
    void check_ends(std::size_t unit, int code);
    void check_launched(const LaunchRequest& request);
    void add_control(std::vector<Move>& moves, std::size_t unit);
    void add_conditions(std::vector<Move>& moves, std::size_t unit);
    void conditions_do_not_hold(std::size_t unit, const char* operation);
    void add_sockets(std::vector<Move>& moves, std::size_t unit);
    void add_rest(std::vector<Move>& moves, std::size_t unit);
    void ask(Request what, std::size_t unit);
    void command_ends(std::size_t unit, int code);
    void fire(std::size_t unit, TimerKind kind);
    void main_ends(std::size_t unit, ExitInfo info);
    void interrupt_main(std::size_t unit);
    void check(const std::vector<State>& before, std::string_view event);
    [[nodiscard]] std::string tell(const Move& move) const;
    void check_unit(std::size_t unit);
    void check_sockets(std::size_t unit);
    void check_because(const Entry& self);
    void check_stop_order(const std::vector<State>& before);
    void check_restore();
    [[nodiscard]] std::string tell_states() const;
    void check_settles();
    [[nodiscard]] bool answer_something();

    std::vector<config::Unit> units_;
    Alphabet alphabet_;
    Manager manager_;
    std::vector<Entry*> entries_;
    std::vector<Side> sides_;
    std::multiset<JobId> open_;
    std::string violation_;
    bool resuming_ = false;
};

}  // namespace jailsvc::service
