#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/flat_map.hpp"
#include "base/rarely.hpp"
#include "ipc/messages.hpp"
#include "jailer/loop/core.hpp"
#include "jailer/loop/limit_events.hpp"
#include "jailer/loop/processes.hpp"
#include "jailer/loop/start_failure.hpp"
#include "jailer/loop/watch.hpp"

namespace jailsvc::jailer {

struct Jail;

/// One registered process of a jail, until its pidfd says that it has ended.
struct Member {
    Member(struct ev_loop* loop, Jail& in, ipc::Token t, pid_t p, Fd fd, ipc::Purpose what)
        : jail(in), token(t), pid(p), pidfd(std::move(fd)), purpose(what), ended(loop) {}
    Jail& jail;  ///< that it is a member of
    ipc::Token token;
    pid_t pid;
    Fd pidfd;
    ipc::Purpose purpose;
    bool executed = false;  ///< its program runs; before, it stands at its gate
    std::uint64_t exec_ns = 0;
    std::uint32_t weakened = 0;
    IoWatch ended;
};

/// The jail of one unit, from its first process's start to its teardown.
struct Jail {
    enum class State : std::uint8_t { kNew, kMaking, kStanding, kEnding };

    Jail(struct ev_loop* loop, std::string name, ipc::Token t)
        : unit(std::move(name)), token(t), stub_ended(loop) {}
    [[nodiscard]] bool has_stub() const { return stub_pid > 0; }
    /// "INVOCATION_ID=…", in the environment of all its processes.
    [[nodiscard]] std::string mark() const;
    /// Whether it runs as the unit of that digest, or did until its limits were changed.
    [[nodiscard]] bool runs_as(const Digest& digest) const;

    std::string unit;
    ipc::Token token;           ///< of the first start in it
    ipc::Token main_token = 0;  ///< its run's main process, once begun; unknown which: the jail's
    Rarely<Digest> digest;      ///< of the unit it is to be made of, until its plan is there
    Rarely<std::string> text;   ///< effective unit, for a jail that an earlier jailer made
    LoadedPtr loaded;           ///< null until its plan is there
    Rarely<std::vector<Digest>> former;  ///< that it ran as before its limits were changed
    ResolvedIds ids;
    std::uint64_t network = 0;  ///< inode of the network namespace taken for it, or 0
    pid_t stub_pid = -1;        ///< -1: none (profile host), or lost
    Fd stub_pidfd;
    std::uint32_t weakened = 0;         ///< optional operations that do not hold
    std::uint32_t weakened_limits = 0;  ///< the same, of the control group's
    State state = State::kNew;
    bool told = false;           ///< the keeper has its effective unit
    bool adopted = false;        ///< made by an earlier jailer: its directories hold live data
    bool lost_stub = false;      ///< the init has ended, and with it everything in the jail
    bool pid_namespace = false;  ///< the stub's end ends every process
    bool doomed = false;         ///< its init was sent SIGKILL: nothing more can be started in it
    bool frozen = false;         ///< by us; see Jails::is_frozen
    bool forgotten = false;      ///< its unit left memory: nothing of it is kept
    ipc::Token kept_main = 0;    ///< token of the pidfd that the keeper keeps as kMainProcess
    FlatMap<ipc::Token, std::unique_ptr<Member>> members;
    std::vector<Session> sessions;  ///< of members, where there is no pid namespace
    IoWatch stub_ended;
};

/// All jails, at most one per unit: made, adopted from an earlier jailer, ended.
class Jails {
public:
    /// Who waits for a jail. First `spawn` is called, when a program may be cloned for it, then
    /// `enter`, when that may go in, then `done`: only if that says so a gate may be opened.
    /// Without the first two: it cannot be entered.
    struct Waiter {
        std::function<void()> spawn;
        std::function<void()> enter;
        std::function<void(const Attempt&)> done;
    };
    using Ended = std::function<void()>;

    Jails(Core& core, LimitEvents& limits);
    ~Jails();

    [[nodiscard]] Jail* find(const std::string& unit);
    void for_each_member(const std::function<void(const std::string& unit, Member&)>& look);

    /// A jail for the unit, not made yet: it wants a digest, a text or a plan to be made of.
    Jail& create(const std::string& unit, ipc::Token token);

    /// Sees to it that the jail stands and is attested: makes it, or attests again one that an
    /// earlier jailer made. A jail that could not be made is undone before `done` hears of it.
    void make(Jail& jail, Waiter waiter);

    /// Learns now what the init of a jail in the making has said of it.
    void ask_init(const std::string& unit);

    /// Whether the jail was being made and has no init yet, which is given up: there is nothing to
    /// signal, and a command that makes a credential may take minutes.
    bool stop_making(Jail& jail);

    Member& add_member(Jail& jail, ipc::Token token, pid_t pid, Fd pidfd, ipc::Purpose purpose);

    /// A process of the jail's that the keeper is no parent of is the main process from now on; its
    /// pidfd is kept, in place of an earlier one's.
    void keep_main(Jail& jail, ipc::Token token, pid_t pid, Fd pidfd);

    /// The main process is about to be begun: from here on the jail serves no other run, for a
    /// jailer after us too.
    [[nodiscard]] Result<void> begin_main(Jail& jail, ipc::Token token);

    /// Ends every process of the jail, undoes what its making did, forgets it; then calls `done`.
    /// With `restarts`, its mounts may go after that.
    void end(Jail& jail, Ended done, bool restarts = false);

    /// The keeper goes on with the effective unit of a jail that has ended, until the unit's next
    /// jail has its own there, or it is released: no restart of it comes any more.
    void release_text(const std::string& unit);

    /// Reads back that the process is in the jail's control group and every limit in force there.
    [[nodiscard]] Attempt attest_group(Jail& jail, pid_t pid);

    /// The limits of a standing jail become those of `next`, the same unit but for them; it counts
    /// as started with them from now on. All or none.
    [[nodiscard]] Attempt adjust(Jail& jail, const LoadedPtr& now, const LoadedPtr& next);

    // jail_freezing.cpp
    [[nodiscard]] bool is_frozen(const Jail& jail);
    /// Told in the log if it cannot be done.
    void freeze(Jail& jail, bool on);
    /// Before a process is started in it: what ends a run thaws it, what visits it is refused.
    [[nodiscard]] Attempt thaw_for(Jail& jail, ipc::Purpose purpose);

    /// Every process in the jail's control group but the jail's init; nullopt where it has none.
    [[nodiscard]] std::optional<std::vector<Found>> group_members(const Jail& jail);

    /// Called when a jail begins to end, so that starts in it can be given up.
    void on_ending(std::function<void(const std::string& unit)> hook) { ending_hook_ = hook; }

    // What the keeper's snapshot tells of jails made by an earlier jailer.
    void adopt_text(const std::string& unit, ipc::Token token, bool main_begun, std::string text);
    void adopt_process(const ipc::Alive& alive, Fd pidfd);
    void adopt_main(const std::string& unit, ipc::Token token, Fd pidfd);

    /// The unit is not loaded any more: its control group goes, once no jail needs it.
    void forget_group(const std::string& unit);

    /// After the snapshot: ends stubs that belong to no jail.
    void sweep();

private:
    struct Making;
    struct Ending;

    void watch_adopted();

    // jail_making.cpp
    [[nodiscard]] bool is_current(const std::string& unit,
                                  const std::shared_ptr<Making>& making) const;
    void load(Jail& jail, const std::shared_ptr<Making>& making);
    void loaded(Jail& jail, const std::shared_ptr<Making>& making);
    void number_and_build();
    void build(Jail& jail, Making& making);
    void build_on(Jail& jail, Making& making);
    Attempt prepare(Jail& jail, Making& making);
    static void note_weakened(Jail& jail, const std::vector<JailFailure>& weakened);

    // jail_owners.cpp
    void hand_over_directories(Jail& jail, Making& making);
    void handed_over(const std::string& unit);

    // jail_credentials.cpp
    void read_credentials(Jail& jail, Making& making);
    void credentials_read(const std::string& unit);

    // jail_network.cpp
    void connect(Jail& jail, Making& making);
    void connected(const std::string& unit, const Result<std::string>& result);
    void check_rules(Jail& jail);
    void disconnect(const std::string& unit);
    void remove_network(const std::string& unit, int attempts);
    void note_network(const Result<std::string>& result);
    void sweep_networks();
    Jailed<Fd> network_for(Jail& jail, Making& making);
    static Jailed<Fd> private_network(const CompiledPlan& plan, Making& making);
    Jailed<Fd> joined_network(const Op& join);
    Result<void> attest_network_of(const Jail& jail);
    void fill_networks(const Jail& jail);

    // jail_init.cpp
    void spawn_init(Jail& jail, Making& making);
    void watch_init(Jail& jail, Making& making);
    void init_reported(const std::string& unit);
    void tell_waiters(const std::string& unit, std::function<void()> Waiter::* what);
    void let_spawn(const std::string& unit);
    void let_in(const std::string& unit);
    Attempt look_at(Jail& jail);
    void built(const std::string& unit);
    void init_runs(Jail& jail, const Making& making);
    void made(Jail& jail, const Attempt& result);
    void cancel_making(Jail& jail);

    // jail_ending.cpp
    static Fd hold_mounts(const Jail& jail);
    void kill_everything(Jail& jail);
    void check_ended(std::string unit);
    void keep_text(const std::string& unit, ipc::Token token);
    void replace_text(const Jail& jail);
    void forget_text(const std::string& unit, ipc::Token token);
    [[nodiscard]] std::vector<Found> left_of(const Jail& jail);
    bool kill_stragglers(Jail& jail, Ending& ending);
    void undo(Jail& jail);
    void collect_trash(const Jail& jail);
    void ended(const std::string& unit);

    void watch_stub(Jail& jail);
    void stub_gone(Jail& jail);
    void gone(const Member& member);
    Jail* adopt(const std::string& unit, ipc::Token token);
    [[nodiscard]] ipc::Token new_stub_token(const Jail& jail);

    Core& core_;
    LimitEvents& limits_;
    FlatMap<std::string, std::unique_ptr<Jail>> jails_;
    std::map<std::string, std::shared_ptr<Making>> making_;
    std::map<std::string, std::unique_ptr<Ending>> ending_;
    std::map<std::string, ipc::Token> kept_texts_;  ///< of jails that have ended
    /// Planned, without a uid yet: many units at once get theirs by one write to the disk.
    std::vector<std::pair<std::string, std::weak_ptr<Making>>> unnumbered_;
    std::function<void(const std::string&)> ending_hook_;
    bool network_left_ = false;  ///< of a unit that has ended, see note_network
    /// Above every init's that the keeper may know: one that was killed is its until it is reaped,
    /// and an interrupted start is made again with its own token.
    ipc::Token next_stub_ = 0;
};

}  // namespace jailsvc::jailer
