#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "jailer/loop/exec_request.hpp"
#include "jailer/loop/jails.hpp"
#include "jailer/loop/listeners.hpp"
#include "jailer/loop/output.hpp"
#include "jailer/loop/program.hpp"

namespace jailsvc::jailer {

/// Every start on its way from the engine's request to the answer. One start:
///   place     which jail: the unit's, a new one, or first the end of a stale one
///   launch    Intent, spawn, Register; the child works through its operations, meanwhile the jail
///             is attested
///   reported  at its gate: attested from outside, and the gate opened once the jail is, and
///             the keeper has the pid
///   executed  end of file on the gate: Started; a report instead: StartFailed
/// A failure ends the child before the answer goes out, and the jail if this start was its first.
class Starts {
public:
    Starts(Core& core, Jails& jails, Listeners& listeners);
    ~Starts();

    void start(const ipc::Start& request);
    void exec(const ipc::Exec& request, Fd client);

    /// Whether it is a start without a process to signal yet, which is given up; it is answered.
    bool stop_early(ipc::Token token);

    /// Gives up every start of the unit that has not led to an executed program; each is answered.
    void cancel(const std::string& unit);

    /// The keeper remembers the end of this token, or a process of it lives: not to be started.
    /// `exec_ns` is 0 where nobody knows whether its program was executed.
    void remember(ipc::Token token, const std::string& unit, pid_t pid, std::uint64_t exec_ns);

private:
    struct Job;
    struct Visit;
    struct Launched;
    struct Executed {
        std::string unit;
        pid_t pid = 0;
        std::uint32_t weakened = 0;
        std::uint64_t exec_ns = 0;
    };
    /// A failure has a long text and is rare; a thousand answers are kept.
    struct Answer {
        ipc::Token token = 0;
        std::variant<Executed, std::shared_ptr<const ipc::StartFailed>> what;
    };

    [[nodiscard]] bool repeated(ipc::Token token, const std::string& unit);
    void place(Job& job);
    void listen(Job& job);
    void look_at_conditions(Job& job);
    void conditions_seen(Job& job, std::optional<StartFailure> failure);
    static void inherit(Job& job, const Jail& jail);
    void make_and_launch(Job& job, Jail& jail);
    void read_client(Job& job);
    bool needs_look_inside(const Job& job);
    void launch(Job& job, Jail& jail);
    [[nodiscard]] Attempt begin_main(Job& job, Jail& jail, Program& program,
                                     std::vector<Fd>& tells);
    void watch_launched(Job& job, Jail& jail);
    void go_in(Job& job);
    void limit_child(Job& job);
    [[nodiscard]] Result<Program> program_for(Job& job, OutputFiles& files, LentStdio::Held& lent,
                                              Jail& jail);
    [[nodiscard]] Result<void> give_log(Program& program, OutputFiles& files, Jail& jail);
    /// starts_health.cpp
    [[nodiscard]] static bool is_probe(const Job& job, const Jail& jail);
    [[nodiscard]] static const CompiledPlan& plan_of(const Job& job, const Jail& jail);
    [[nodiscard]] Result<void> make_check(const Job& job, OutputFiles& files, Jail& jail,
                                          Program& program);
    [[nodiscard]] static StartFailure told_by_child(const Job& job, const Plan& plan,
                                                    const JailFailure& failure);
    void watch_exec(Job& job);
    void reported(Job& job);
    [[nodiscard]] StartFailure last_told(Job& job, StartFailure seen);
    void at_gate(Job& job, std::uint32_t evidence);
    void let_through(Job& job);
    [[nodiscard]] Result<void> let_go(Job& job);
    void fail_in_jail(Job& job, StartFailure failure);
    [[nodiscard]] static StartFailure no_main(const Job& job);
    void at_main(Job& job);
    void executed(Job& job);
    void fail_job(Job& job, StartFailure failure);
    void give_up(const std::string& unit, bool all);
    void answer(Answer answer);
    void send(const Answer& answer);
    void keep(Answer answer);
    [[nodiscard]] Job* find(ipc::Token token);

    Core& core_;
    Jails& jails_;
    Listeners& listeners_;
    std::map<ipc::Token, std::unique_ptr<Job>> jobs_;
    /// The last kMaxAnswers. Of a process that lives, its jail knows what to answer.
    std::deque<Answer> answers_;
    std::size_t answered_ = 0;  ///< since memory was last given back
    TimerWatch rest_;
};

}  // namespace jailsvc::jailer
