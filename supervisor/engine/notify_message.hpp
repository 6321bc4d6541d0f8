#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace jailsvc::engine {

/// What one datagram on a notify socket says, as sd_notify(3) has it. Every byte of it comes from a
/// jail.
struct NotifyMessage {
    bool ready = false;
    bool reloading = false;
    bool stopping = false;
    bool ping = false;
    bool trigger = false;
    bool barrier = false;
    bool fd_store = false;
    bool fd_store_remove = false;
    bool fd_poll = true;
    std::optional<std::string> status;  ///< for people: see readable()
    std::optional<int> error;           ///< errno
    std::optional<std::string> exit_status;
    std::optional<std::int32_t> main_pid;  ///< as the sender counts; never trusted by itself
    std::optional<std::uint64_t> watchdog_us;
    std::optional<std::uint64_t> extend_us;
    std::string fd_name;  ///< valid, or empty
};

inline constexpr std::size_t kMaxNotify = 4096;     ///< a longer datagram is not read [bytes]
inline constexpr std::size_t kMaxStatusText = 256;  ///< of STATUS= that is kept [bytes]

/// nullopt: has bytes that no such text has (a NUL that is not its last). Lines that are unknown,
/// malformed or out of range say nothing; of a repeated one the last counts.
[[nodiscard]] std::optional<NotifyMessage> parse_notify(std::string_view text);

/// The text as valid UTF-8 without control characters, which are shown as '?', cut to `limit`
/// bytes between two characters.
[[nodiscard]] std::string readable(std::string_view text, std::size_t limit);

/// As sd_pid_notify_with_fds(3) has it: 1 to 255 ASCII characters, no control ones, no ':'.
[[nodiscard]] bool is_fd_name(std::string_view name);

}  // namespace jailsvc::engine
