#pragma once

#include <regex.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/log_line.hpp"
#include "base/result.hpp"
#include "commands.hpp"

namespace jailsvc::ctl {

/// Which lines are wanted: --since, --until, --grep, --stream.
class LogFilter {
public:
    /// `now_us` is the time [µs since the epoch]. What cannot be understood, or can never be met,
    /// is an error.
    [[nodiscard]] static Result<LogFilter> make(const LogsOptions& options, std::uint64_t now_us);

    /// All lines from that time on [µs since the epoch].
    [[nodiscard]] static LogFilter since(std::uint64_t us);

    /// Lines that no logger of ours wrote have no time and no stream: only --grep is asked.
    [[nodiscard]] bool wants(const std::optional<LogLine>& line, std::string_view text) const;
    /// Of time alone, for what rises with it.
    [[nodiscard]] bool is_past(const std::optional<LogLine>& line) const;

    [[nodiscard]] std::uint64_t since_us() const noexcept { return since_us_; }
    /// Other than by time.
    [[nodiscard]] bool selects() const noexcept { return pattern_ != nullptr || stream_; }

private:
    struct FreePattern {
        void operator()(regex_t* pattern) const {
            ::regfree(pattern);
            delete pattern;
        }
    };
    [[nodiscard]] Result<void> set_pattern(const std::string& text);
    [[nodiscard]] Result<void> set_stream(const std::string& name);

    std::uint64_t since_us_ = 0;
    std::string since_, until_;  ///< as stamps; empty: any
    std::optional<LineMark> stream_;
    std::unique_ptr<regex_t, FreePattern> pattern_;
};

}  // namespace jailsvc::ctl
