#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace jailsvc::logger {

/// Longer lines are split there; the parts are lines of their own [bytes].
inline constexpr std::size_t kMaxLine = 16384;

/// Turns what a service writes into stamped lines: "2026-11-22T00:05:45.123456Z text\n". Bytes are
/// passed on as they come, also the start of a line that is not ended yet, so that nothing has to
/// be kept in memory to be complete in the file. One per unit.
class Stamper {
public:
    /// `line_length`: bytes of an unended line that the file already holds, 0 at a line's start.
    explicit Stamper(std::size_t line_length = 0) noexcept : line_length_(line_length) {}

    /// Appends `bytes`, stamped with `realtime_ns`, to `out`.
    void append(std::string& out, std::string_view bytes, std::uint64_t realtime_ns);

    /// Appends the newline that is missing, if one is.
    void end_line(std::string& out);

private:
    std::size_t line_length_;
    std::uint64_t stamped_us_ = 0;  ///< moment that stamp_ says
    std::string stamp_;

    void refresh_stamp(std::uint64_t realtime_ns);
    void append_line_part(std::string& out, std::string_view part);
};

}  // namespace jailsvc::logger
