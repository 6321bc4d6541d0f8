#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/log_line.hpp"
#include "base/result.hpp"
#include "context.hpp"
#include "log_file.hpp"
#include "log_filter.hpp"

namespace jailsvc::ctl {

/// One unit's lines, oldest first, over its rotated files and the current one, then, if followed,
/// those that are written from now on.
class LogReader {
public:
    struct Options {
        const Context& context;
        const LogFilter& filter;
        bool follow = false;
        bool clocks = false;  ///< lines' boot times are wanted
    };
    [[nodiscard]] static Result<LogReader> open(std::string unit, const Options& options);

    /// Goes to the newest `count` lines that the filter wants.
    [[nodiscard]] Result<void> only_newest(std::size_t count);

    /// After `only_newest` of each: of all together no more than `count`.
    [[nodiscard]] static Result<void> drop_oldest(std::vector<LogReader>& readers,
                                                  std::size_t count);

    /// Goes to the next line that is wanted and there; false: none, for now if it is followed.
    [[nodiscard]] Result<bool> advance();

    [[nodiscard]] const std::string& unit() const noexcept { return unit_; }
    [[nodiscard]] std::string_view raw() const noexcept { return raw_; }
    [[nodiscard]] const std::optional<LogLine>& line() const noexcept { return line_; }
    /// What orders lines of several units; that of the line before where it has none.
    [[nodiscard]] const std::string& stamp() const noexcept { return stamp_; }
    /// Time of the line since which boot [µs].
    [[nodiscard]] std::optional<ClockNote> clock() const;

    /// Which kinds of the service's lines there were, wanted or not.
    struct Streams {
        bool together = false;  ///< of both streams, not told apart
        bool apart = false;
    };
    [[nodiscard]] const Streams& streams() const noexcept { return streams_; }

    /// To wait for more of a followed log: a readable pipe.
    [[nodiscard]] int pipe() const noexcept { return pipe_.get(); }
    /// Takes what the pipe has. Where it has ended, since we were too slow or the logger was
    /// replaced, what was missed is in the files: goes on there.
    [[nodiscard]] Result<void> read_pipe();

private:
    /// What ties stamps to a boot of the machine: the last such line of the log before others.
    struct Note {
        std::uint64_t us = 0;  ///< its stamp
        std::uint64_t boottime_us = 0;
        std::string boot;
    };
    struct Kept {
        std::string line;
        std::shared_ptr<const Note> note;
    };

    explicit LogReader(std::string unit, const Options& options)
        : unit_(std::move(unit)), options_(&options) {}

    [[nodiscard]] Result<void> ask_current();
    [[nodiscard]] Result<Fd> file_of(std::uint64_t number, std::uint64_t& size) const;
    [[nodiscard]] Result<void> start();
    [[nodiscard]] Result<bool> starts_before(std::uint64_t number, std::uint64_t time_us) const;
    [[nodiscard]] Result<void> open_number(std::uint64_t number);
    [[nodiscard]] Result<bool> read_more();
    [[nodiscard]] Result<bool> next_raw();
    [[nodiscard]] Result<std::deque<Kept>> newest_of(std::uint64_t number, std::size_t count);
    [[nodiscard]] Result<void> go_on_in_files();
    void take(std::string_view raw);

    std::string unit_;
    const Options* options_;
    Fd current_file_;
    std::uint64_t current_ = 0;  ///< number of the current file
    std::uint64_t current_size_ = 0;
    std::uint64_t oldest_ = 0;
    Fd pipe_;

    std::optional<LogFile> file_;  ///< that is being read; nothing: all of them have been
    std::uint64_t number_ = 0;     ///< the file in which what was read last is
    std::uint64_t offset_ = 0;     ///< in it; beyond its end, in the next
    LineBuffer lines_;
    std::deque<Kept> kept_;  ///< lines that come first
    std::string kept_line_;
    bool past_ = false;  ///< --until is reached

    std::string_view raw_;
    std::optional<LogLine> line_;
    std::string stamp_;
    std::shared_ptr<const Note> note_;    ///< of the line that was read last
    std::shared_ptr<const Note> newest_;  ///< the note of what comes after kept_
    Streams streams_;
};

}  // namespace jailsvc::ctl
