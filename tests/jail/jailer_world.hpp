#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/places.hpp"
#include "ipc/channel.hpp"
#include "jailer/cgroup/tree.hpp"

/// The real jailer in a process of its own; the test is its keeper and its engine at once, and so
/// the parent of everything it starts.
namespace jailsvc::test {

/// A process that the jailer registered.
struct Registered {
    ipc::Token token = 0;
    pid_t pid = 0;
    Fd pidfd;
    ipc::Purpose purpose{};
    std::string unit;
    std::optional<int> status;  ///< wait status, once it has ended
};

/// What the jailer asked its keeper to keep.
struct KeptFd {
    ipc::Kept kind{};
    std::uint16_t index = 0;
    ipc::Token token = 0;
    std::string unit;
    Fd fd;
};

/// Thrown where a test has said that the jailer may end.
struct JailerEnded {};

class JailerWorld {
public:
    JailerWorld();
    ~JailerWorld();

    /// Forks a jailer, and answers its Hello with what an earlier one left.
    void start_jailer();
    [[nodiscard]] pid_t jailer() const { return jailer_; }
    void kill_jailer();
    /// Stops it as it is (SIGSTOP); everything that it has said is read when this returns.
    void pause_jailer();
    void resume_jailer();
    /// Pid of the init of the jail whose first start has this token; 0: not registered (yet).
    [[nodiscard]] pid_t registered_stub(ipc::Token token) const;

    void write_unit(const std::string& name, const std::string& toml);
    [[nodiscard]] Digest digest_of_unit(const std::string& name);

    void start(ipc::Token token, const std::string& unit,
               ipc::Purpose purpose = ipc::Purpose::kMain);
    /// The keeper forgets an ended process, as after the engine's ExitAck.
    void acknowledge(ipc::Token token) { processes.erase(token); }
    void teardown(ipc::Token token, const std::string& unit);
    template <ipc::Message T>
    void send(const T& message, const int* fds = nullptr, std::size_t count = 0) {
        check_sent(ipc::send(engine_.get(), message, fds, count));
    }

    /// Waits until it holds; fails the test after ten seconds.
    void wait_until(const std::function<bool()>& holds, const char* what);
    ipc::Started wait_started(ipc::Token token);
    /// Waits for the answer of either kind; true for Started.
    bool wait_answered(ipc::Token token);
    ipc::StartFailed wait_failed(ipc::Token token);
    void wait_torn_down(ipc::Token token);
    int wait_exit(ipc::Token token);
    /// Asks for the number of processes in the unit's jail. Packets are answered in order, so what
    /// was asked before has been taken when this returns.
    std::uint64_t count_processes(const std::string& unit);

    /// Waits until so many children of this process are alive, registered or not.
    static void wait_children(std::size_t count);
    /// How many jails the keeper was asked to remember. A round trip first, see count_processes.
    std::ptrdiff_t kept_units();

    /// The control groups of the jailer, whose keeper this process is. A jailer that was killed
    /// leaves them to the next; the end of this world removes them.
    [[nodiscard]] static jailer::cgroup::Tree groups();

    /// Takes what the jailer has said so far, and reaps what it cloned, gave up and never
    /// registered.
    void catch_up();

    std::string root;  ///< of everything this test makes
    Places places;
    /// The jailer as it is installed, which then writes to root/said, instead of our own code.
    std::string program;
    bool may_end = false;      ///< the jailer: then JailerEnded is thrown, else the test fails
    std::set<pid_t> not_ours;  ///< children of this process that no jailer has made
    /// By token; a jail's init, of which the newest counts, by its jail's token with kStubBit.
    std::map<ipc::Token, Registered> processes;
    std::set<ipc::Token> registered;  ///< every token ever, as it came
    std::vector<KeptFd> kept;
    std::vector<ipc::Started> started;
    std::vector<ipc::StartFailed> failed;
    std::vector<ipc::TornDown> torn_down;
    std::vector<ipc::Token> intents;
    std::vector<std::pair<ipc::PlanReply, std::string>> plans;
    std::optional<ipc::StatsReply> stats;
    std::vector<ipc::Pressure> pressures;

private:
    static void remove_groups();
    [[noreturn]] void become_jailer(int keeper) const;
    void pump(const char* what);
    void read_keeper();
    void read_engine();
    void reap(Registered& process);
    void find_strays();
    void reap_strays(bool wait);
    void snapshot();
    void send_exited(ipc::Token token, const Registered& process);
    void store(const ipc::Store& message, Fd fd);
    void check_sent(int code);

    struct Stray {
        pid_t pid = 0;
        Fd pidfd;
    };
    /// What a killed jailer had cloned and not registered. A keeper reaps these as it reaps all of
    /// its children; the init of a pid namespace ends only after each process in it was reaped.
    std::vector<Stray> strays_;
    Fd keeper_, engine_, jailer_pidfd_;
    pid_t jailer_ = -1;
};

}  // namespace jailsvc::test
