#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Lines of a unit's log file, written by the logger and read by `jailsvc logs`:
///
///     2026-11-22T00:05:45.123456Z text     a unit whose two streams are not told apart
///     2026-11-22T00:05:45.123456Z1 text    standard output
///     2026-11-22T00:05:45.123456Z2 text    standard error
///     2026-11-22T00:05:45.123456Z# text    said by the logger itself
///     2026-11-22T00:05:45.123456Z+text     goes on with the line before it of the same stream
namespace jailsvc {

inline constexpr std::size_t kStampLength = 27;  ///< of "2026-11-22T00:05:45.123456Z"

enum class LineMark : char { kOutput = ' ', kStdout = '1', kStderr = '2', kLogger = '#' };

/// Writes kStampLength bytes; the time is UTC [µs since the epoch].
void write_stamp(char* out, std::uint64_t realtime_us);
[[nodiscard]] std::optional<std::uint64_t> parse_stamp(std::string_view stamp);

struct LogLine {
    std::string_view stamp;
    LineMark mark = LineMark::kOutput;
    bool continues = false;
    std::string_view text;
};

/// A line without its newline; nullopt for what no logger of ours wrote.
[[nodiscard]] std::optional<LogLine> parse_log_line(std::string_view line);

/// What the logger says of the clocks at the start of a file and where they have parted since:
/// "clock boottime=12.345678 boot=0123…". Until the next such line, a line's CLOCK_BOOTTIME is
/// `boottime_us` plus what its stamp is later than that of this line.
struct ClockNote {
    std::uint64_t boottime_us = 0;
    std::string_view boot;  ///< random/boot_id of proc(5)
};
[[nodiscard]] std::string format_clock_note(const ClockNote& note);
[[nodiscard]] std::optional<ClockNote> parse_clock_note(std::string_view text);

}  // namespace jailsvc
