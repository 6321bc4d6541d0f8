#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/log_line.hpp"

namespace jailsvc::logger {

/// Longer lines are split there; the parts are lines that go on with the one before [bytes].
inline constexpr std::size_t kMaxLine = 16384;

/// The moment at which output was read, as lines are stamped with it.
class Moment {
public:
    Moment(std::uint64_t realtime_ns, std::uint64_t boottime_ns) noexcept
        : realtime_us_(realtime_ns / 1000), boottime_us_(boottime_ns / 1000) {
        write_stamp(stamp_, realtime_us_);
    }
    [[nodiscard]] static Moment now() noexcept;

    [[nodiscard]] std::string_view stamp() const noexcept { return {stamp_, sizeof stamp_}; }
    [[nodiscard]] std::uint64_t realtime_us() const noexcept { return realtime_us_; }
    [[nodiscard]] std::uint64_t boottime_us() const noexcept { return boottime_us_; }

private:
    std::uint64_t realtime_us_, boottime_us_;
    char stamp_[kStampLength];
};

/// Turns what a service writes into the lines of base/log_line.hpp. Bytes are passed on as they
/// come, also the start of a line that is not ended yet, so that nothing has to be kept in memory
/// to be complete in the file. One per file: where another stream breaks into a line, the line is
/// ended, and its rest marked as going on with it.
class Stamper {
public:
    /// Appends `bytes`, stamped, to `out`.
    void append(std::string& out, std::string_view bytes, std::string_view stamp, LineMark mark);

    /// A line of the logger's own.
    void say(std::string& out, std::string_view text, std::string_view stamp);

    /// Appends the newline that is missing, if one is; what comes next starts a line of its own.
    void end_line(std::string& out);

    /// Nothing is open: what is appended next starts a line.
    [[nodiscard]] bool at_line_start() const noexcept { return open_length_ == 0; }

private:
    void break_line(std::string& out);
    void begin_line(std::string& out, std::string_view stamp);
    void append_part(std::string& out, std::string_view part, std::string_view stamp);

    std::uint32_t open_length_ = 0;  ///< text of the line that is not ended, 0: none
    LineMark mark_ = LineMark::kOutput;
    std::uint8_t broken_ = 0;  ///< bits of the streams whose next line goes on with their last
};

}  // namespace jailsvc::logger
