#pragma once

#include "base/clock.hpp"
#include "keeper/registry.hpp"
#include "keeper/store.hpp"
#include "keeper/strays.hpp"

namespace jailsvc::keeper {

/// The keeper's life; it ends by executing jailsvc-end:
///   kRunning   keeps engine, jailer and logger alive; reaps; keeps exits and descriptors
///   kStopping  a signal or the engine's client asked for the end (Shutdown), and the engine stops
///              the services; still keeping
///   kEnding    the engine is done, or its time is over
enum class Phase { kRunning, kStopping, kEnding };

/// The engine, the jailer or the logger.
struct Member {
    const char* name{};        ///< once started
    pid_t pid{};               ///< 0: not running
    int channel{};             ///< 0: none
    int peer_ends[4]{};        ///< by role: fresh end of its pair with that peer, 0: none to send
    bool greeted{};            ///< said Hello, so it may be sent to
    bool blocked{};            ///< its channel was full
    bool end_due{};            ///< SnapshotEnd has to follow
    bool shutdown_due{};       ///< engine: Shutdown has to be sent
    std::uint64_t at_ns{};     ///< of its start: the last one, or while it does not run the next
    std::uint64_t delay_ns{};  ///< between the two
    std::uint32_t restarts{};
    std::uint32_t refused{};  ///< packets that were dropped
};

/// Everything that the keeper knows. All zero at first, so that its tables cost nothing until they
/// are used.
struct Keeper {
    char** arguments{};   ///< of jailsvcd: [0] its path, [1] the role
    Member members[4]{};  ///< by role
    bool reap_due{};
    Phase phase{};
    std::uint64_t deadline_ns{};  ///< of kStopping
    ipc::ShutdownKind kind{};
    int signal{};  ///< that asked for the end; 0: none did
    int exit_code{};
    Registry registry{};
    Store store{};
    Strays strays{};

    [[nodiscard]] Member& member(ipc::Role role) noexcept {
        return members[static_cast<std::size_t>(role)];
    }
};

/// Closes what the variable held; 0 is none.
inline void replace(int& fd, int by) noexcept {
    if (fd != 0) ::close(fd);
    fd = by;
}

/// One loop over the signals and three channels; it sleeps without a time limit while nothing is
/// due. Nothing in it blocks: what a peer cannot take now stays marked until its channel has room.
/// Returns when it is time for the end.
void run(Keeper& keeper) noexcept;

// members.cpp: the three as processes
void start_due(Keeper& keeper) noexcept;
void died(Keeper& keeper, ipc::Role role, int status) noexcept;
void disconnect(Member& member) noexcept;

// reap.cpp
void reap(Keeper& keeper) noexcept;
/// False: refused, as nothing that a jailer in its right mind sends.
[[nodiscard]] bool take_register(Keeper& keeper, const ipc::Register& message, int pidfd) noexcept;

// talk.cpp: every packet that has come in; everything that is due to go out
void drain(Keeper& keeper, ipc::Role role) noexcept;
void pump(Keeper& keeper, ipc::Role role) noexcept;

inline constexpr std::uint64_t kSecond = 1'000'000'000;  ///< [ns]

inline constexpr std::uint64_t kHurryNs = 2 * kSecond;  ///< to stop, after a second signal
inline constexpr std::uint64_t kFirstDelayNs = kSecond / 10;
inline constexpr std::uint64_t kLongestDelayNs = 30 * kSecond;
/// Up so long: start over. What crashes then is away for no more than a tenth of the time.
inline constexpr std::uint64_t kStableNs = kSecond;

/// How long to wait before a dead engine, jailer or logger is started again [ns].
[[nodiscard]] constexpr std::uint64_t next_delay(std::uint64_t last_ns,
                                                 std::uint64_t was_up_ns) noexcept {
    if (last_ns == 0 || was_up_ns >= kStableNs) return kFirstDelayNs;
    return std::min(last_ns * 2, kLongestDelayNs);
}

}  // namespace jailsvc::keeper
