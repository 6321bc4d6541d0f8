#pragma once

#include "ipc/channel.hpp"
#include "keeper/registry.hpp"
#include "keeper/setup.hpp"
#include "keeper/store.hpp"
#include "keeper/strays.hpp"

namespace jailsvc::keeper {

/// The keeper's life:
///   kRunning   keeps engine, jailer and logger alive; reaps; keeps exits and descriptors
///   kStopping  a signal asked for the end, the engine stops the services (Shutdown); still keeping
///   kEnding    the engine is done, or its time is over: ends what is left, then the three
enum class Phase { kRunning, kStopping, kEnding };

/// One loop over the signals and three channels; it sleeps without a time limit while nothing is
/// due. Nothing here blocks: what a peer cannot take now stays marked until its channel has room.
/// An all-zero object, so that its tables cost nothing until they are used.
class Keeper {
public:
    /// Runs until the end; the exit status. The options must live as long.
    [[nodiscard]] int run(Options& options, std::size_t descriptor_limit, int control, int state);

private:
    struct Member {
        pid_t pid{};            ///< 0: not running
        int channel{};          ///< 0: none
        int peer_ends[4]{};     ///< by role: fresh end of its pair with that peer, 0: none to send
        bool greeted{};         ///< said Hello, so it may be sent to
        bool blocked{};         ///< its channel was full
        bool end_due{};         ///< SnapshotEnd has to follow
        bool shutdown_due{};    ///< engine: Shutdown has to be sent
        std::uint64_t at_ns{};  ///< of its start: the last one, or while it does not run the next
        std::uint64_t delay_ns{};  ///< between the two
        std::uint32_t restarts{};
        std::uint32_t refused{};  ///< packets that were dropped
    };

    // keeper.cpp: the loop and the three
    void wait_for_events() noexcept;
    [[nodiscard]] std::uint64_t next_due_ns() const noexcept;
    void read_signals() noexcept;
    void request_shutdown(int signo) noexcept;
    void start_due() noexcept;
    [[nodiscard]] bool start(ipc::Role role) noexcept;
    [[nodiscard]] bool pair_up(ipc::Role one, ipc::Role other) noexcept;
    void died(ipc::Role role, int status) noexcept;
    void restart_later(Member& member) noexcept;
    void disconnect(Member& member) noexcept;

    // reap.cpp
    void reap() noexcept;
    [[nodiscard]] bool reap_batch() noexcept;
    void reaped(const ipc::Exited& ending) noexcept;
    [[nodiscard]] bool take_register(const ipc::Register& message, int pidfd) noexcept;

    // talk.cpp: packets in and out
    void drain(ipc::Role role) noexcept;
    [[nodiscard]] bool handle(ipc::Role role, ipc::Packet& packet) noexcept;
    [[nodiscard]] bool handle_from_jailer(ipc::Packet& packet) noexcept;
    [[nodiscard]] bool handle_from_engine(ipc::Packet& packet) noexcept;
    [[nodiscard]] bool greet(ipc::Role role, const ipc::Hello& hello) noexcept;
    void pump(ipc::Role role) noexcept;
    [[nodiscard]] bool send_own(ipc::Role role) noexcept;
    [[nodiscard]] bool send_peers(ipc::Role role) noexcept;
    [[nodiscard]] bool send_process(ipc::Role role, const ipc::Exited& process) noexcept;
    template <typename T>
    [[nodiscard]] bool send_to(ipc::Role role, const T& message, int fd = -1) noexcept;

    // ending.cpp
    void end_all() noexcept;
    [[nodiscard]] std::size_t signal_three(int signo) noexcept;
    [[nodiscard]] std::size_t signal_rest(int signo) noexcept;

    [[nodiscard]] Member& member(ipc::Role role) noexcept {
        return members_[static_cast<std::size_t>(role)];
    }
    [[nodiscard]] bool is_member(pid_t pid) const noexcept;

    Options* options_{};
    Member members_[4]{};  ///< by role
    int signals_{};
    bool reap_due_{};
    Phase phase_{};
    std::uint64_t deadline_ns_{};  ///< of kStopping
    ipc::ShutdownKind kind_{};
    int signal_{};  ///< that asked for the end
    int exit_code_{};
    Registry registry_{};
    Store store_{};
    Strays strays_{};
};

inline constexpr ipc::Role kThree[] = {ipc::Role::kLogger, ipc::Role::kJailer, ipc::Role::kEngine};
inline constexpr const char* kNames[] = {"keeper", "engine", "jailer", "logger"};
[[nodiscard]] constexpr const char* name_of(ipc::Role role) noexcept {
    return kNames[static_cast<std::size_t>(role)];
}

inline constexpr std::uint64_t kSecond = 1'000'000'000;  ///< [ns]
[[nodiscard]] std::uint64_t boottime_ns() noexcept;

inline constexpr std::uint64_t kFirstDelayNs = kSecond / 10;
inline constexpr std::uint64_t kLongestDelayNs = 30 * kSecond;
inline constexpr std::uint64_t kStableNs = 10 * kSecond;  ///< up so long: start over

/// How long to wait before a dead engine, jailer or logger is started again [ns].
[[nodiscard]] constexpr std::uint64_t next_delay(std::uint64_t last_ns,
                                                 std::uint64_t was_up_ns) noexcept {
    if (last_ns == 0 || was_up_ns >= kStableNs) return kFirstDelayNs;
    return std::min(last_ns * 2, kLongestDelayNs);
}

}  // namespace jailsvc::keeper
