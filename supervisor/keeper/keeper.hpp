#pragma once

#include <poll.h>

#include "ipc/channel.hpp"
#include "keeper/backoff.hpp"
#include "keeper/machine.hpp"
#include "keeper/registry.hpp"
#include "keeper/setup.hpp"
#include "keeper/store.hpp"
#include "keeper/strays.hpp"

namespace jailsvc::keeper {

/// The keeper's life:
///   kRunning   keeps engine, jailer and logger alive; reaps; keeps exits and descriptors
///   kStopping  a signal asked for the end, the engine stops the services (Shutdown); still keeping
///   kSweeping  the engine is done, or its time is over: TERM, then KILL for what is left
///   kClosing   the three are ended: end of their channels, then TERM, then KILL
///   kOver      nothing is left
enum class Phase { kRunning, kStopping, kSweeping, kClosing, kOver };

/// One loop over the signals and three channels; it sleeps without a time limit while nothing is
/// due. Nothing here blocks: what a peer cannot take now stays marked until its channel has room.
/// An all-zero object, so that its tables cost nothing until they are used.
class Keeper {
public:
    /// Runs until the end; the exit status. The options must live as long.
    [[nodiscard]] int run(Options& options, std::size_t descriptor_limit, int control, int state);

private:
    struct Member {
        pid_t pid{};          ///< 0: not running
        int channel{};        ///< 0: none
        int peer_ends[4]{};   ///< by role: fresh end of its pair with that peer, 0: none to send
        bool greeted{};       ///< said Hello, so it may be sent to
        bool blocked{};       ///< its channel was full
        bool end_due{};       ///< SnapshotEnd has to follow
        bool shutdown_due{};  ///< engine: Shutdown has to be sent
        std::uint64_t retry_ns{};  ///< the kernel was out of memory: send again then
        std::uint64_t started_ns{};
        std::uint64_t start_at_ns{};  ///< 0: no start is due
        std::uint32_t restarts{};
        std::uint32_t refused{};  ///< packets that were dropped
        Backoff backoff;
    };

    // keeper.cpp: the loop, the three, the end
    void open_signals() noexcept;
    void wait_for_events() noexcept;
    [[nodiscard]] std::uint64_t next_due_ns() const noexcept;
    void read_signals() noexcept;
    void start(ipc::Role role) noexcept;
    void died(ipc::Role role, int status) noexcept;
    void close_channel(Member& member) noexcept;
    void request_shutdown(int signo) noexcept;
    void enter(Phase phase) noexcept;
    void advance(std::uint64_t now_ns) noexcept;
    void sweep() noexcept;
    void close_down() noexcept;
    std::size_t signal_rest(int signo) noexcept;
    std::size_t signal_members(int signo) noexcept;

    // reap.cpp
    void reap() noexcept;
    [[nodiscard]] bool reap_batch() noexcept;
    void reaped(const Ending& ending) noexcept;
    void take_register(const ipc::Register& message, int pidfd) noexcept;

    // talk.cpp: packets in and out
    void drain(ipc::Role role) noexcept;
    void handle(ipc::Role role, ipc::Packet& packet) noexcept;
    [[nodiscard]] bool handle_from_jailer(ipc::Packet& packet) noexcept;
    [[nodiscard]] bool handle_from_engine(ipc::Packet& packet) noexcept;
    [[nodiscard]] bool handle_store(ipc::Role role, ipc::Packet& packet) noexcept;
    [[nodiscard]] bool greet(ipc::Role role, const ipc::Hello& hello) noexcept;
    void pair_up(ipc::Role one, ipc::Role other) noexcept;
    void pump(ipc::Role role) noexcept;
    [[nodiscard]] bool send_all(ipc::Role role) noexcept;
    [[nodiscard]] bool send_peers(ipc::Role role) noexcept;
    [[nodiscard]] bool send_process(ipc::Role role, std::size_t slot) noexcept;
    template <typename T>
    [[nodiscard]] bool send_to(ipc::Role role, const T& message, int fd = -1) noexcept;

    [[nodiscard]] Member& member(ipc::Role role) noexcept {
        return members_[static_cast<std::size_t>(role)];
    }

    Options* options_{};
    Member members_[4]{};
    int signals_{};
    bool reap_due_{};
    Phase phase_{};
    std::uint64_t phase_since_ns_{};
    std::uint64_t deadline_ns_{};  ///< of kStopping
    bool termed_{};                ///< of kSweeping, kClosing
    bool killed_{};
    ipc::ShutdownKind kind_{};
    int signal_{};  ///< that asked for the end
    int exit_code_{};
    Registry registry_{};
    Store store_{};
    Strays strays_{};
};

inline constexpr ipc::Role kThree[] = {ipc::Role::kLogger, ipc::Role::kJailer, ipc::Role::kEngine};

[[nodiscard]] const char* name_of(ipc::Role role) noexcept;
[[nodiscard]] std::uint64_t boottime_ns() noexcept;

}  // namespace jailsvc::keeper
