#include "log_reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace jailsvc::ctl {
namespace {

constexpr std::size_t kBlock = 64 * 1024;

/// The answer once more, while the logger may be on its way back.
Result<control::Answer> ask_again(const Context& context, const Json& parameters) {
    constexpr int kTries = 100;
    constexpr int kPauseMs = 50;
    for (int i = 1; i < kTries; ++i) {
        auto answer = ask(context, "Logs", parameters);
        if (answer) return answer;
        ::poll(nullptr, 0, kPauseMs);
    }
    return ask(context, "Logs", parameters);
}

}  // namespace

Result<LogReader> LogReader::open(std::string unit, const Options& options) {
    LogReader reader(std::move(unit), options);
    TRY_VOID(reader.ask_current());
    TRY_VOID(reader.start());
    return reader;
}

Result<void> LogReader::ask_current() {
    const Json parameters{{"unit", unit_}, {"follow", options_->follow}};
    const bool first = current_ == 0;
    TRY(control::Answer answer, first ? ask(options_->context, "Logs", parameters)
                                      : ask_again(options_->context, parameters));
    if (answer.fds.size() != (options_->follow ? 2U : 1U)) {
        return fail("the supervisor sent no descriptor of the log", kFailure);
    }
    current_file_ = std::move(answer.fds[0]);
    if (options_->follow) pipe_ = std::move(answer.fds[1]);
    current_size_ = answer.reply.parameters.value("size", std::uint64_t{0});
    current_ = answer.reply.parameters.value("file", std::uint64_t{1});
    oldest_ = answer.reply.parameters.value("oldest", current_);
    return {};
}

/// An empty descriptor: it is not kept any more.
Result<Fd> LogReader::file_of(std::uint64_t number, std::uint64_t& size) const {
    if (number == current_) {
        Fd fd(::fcntl(current_file_.get(), F_DUPFD_CLOEXEC, 0));
        if (!fd) return fail_errno("duplicate the log");
        return fd;
    }
    auto answer = ask(options_->context, "Logs", {{"unit", unit_}, {"file", number}});
    if (!answer || answer->fds.size() != 1) return Fd();
    size = answer->reply.parameters.value("size", std::uint64_t{0});
    return std::move(answer->fds[0]);
}

/// From which file on: the last one that begins before the time.
Result<void> LogReader::start() {
    std::uint64_t number = current_;
    const std::uint64_t since = options_->filter.since_us();
    while (number > oldest_) {
        TRY(const bool before, starts_before(number, since));
        if (before) break;
        --number;
    }
    number_ = number;
    return open_number(number);
}

Result<bool> LogReader::starts_before(std::uint64_t number, std::uint64_t time_us) const {
    if (time_us == 0) return false;
    std::uint64_t size = current_size_;
    TRY(Fd fd, file_of(number, size));
    if (!fd) return false;
    TRY(LogFile file, LogFile::open(std::move(fd), size));
    TRY(const std::string_view bytes, file.read());
    const auto first = parse_stamp(bytes.substr(0, kStampLength));
    return first && *first < time_us;
}

Result<void> LogReader::open_number(std::uint64_t number) {
    file_.reset();
    number_ = number;
    offset_ = 0;
    std::uint64_t size = current_size_;
    TRY(Fd fd, file_of(number, size));
    if (!fd) return {};
    const std::uint64_t since = options_->filter.since_us();
    const int raw = fd.get();
    TRY(file_, LogFile::open(std::move(fd), size));
    // Which boot a line is of, only the lines before it tell.
    if (since == 0 || file_->compressed() || options_->clocks) return {};
    TRY(const std::uint64_t offset, offset_since(raw, size, since));
    TRY(offset_, file_->skip(offset));
    return {};
}

/// Brings the next bytes of the files into the buffer; false: there are none.
Result<bool> LogReader::read_more() {
    for (;;) {
        if (file_) {
            TRY(const std::string_view bytes, file_->read());
            offset_ += bytes.size();
            lines_.add(bytes);
            if (!bytes.empty()) return true;
            file_.reset();
            if (number_ == current_) return false;
        } else if (number_ >= current_) {
            return false;
        }
        TRY_VOID(open_number(number_ + 1));
    }
}

Result<bool> LogReader::next_raw() {
    if (!kept_.empty()) {
        kept_line_ = std::move(kept_.front().line);
        note_ = std::move(kept_.front().note);
        kept_.pop_front();
        take(kept_line_);
        return true;
    }
    if (newest_) note_ = std::exchange(newest_, nullptr);
    for (;;) {
        if (const auto line = lines_.next()) {
            take(*line);
            return true;
        }
        TRY(const bool more, read_more());
        if (more) continue;
        if (options_->follow) return false;
        const auto rest = lines_.rest();
        if (rest) take(*rest);
        return rest.has_value();
    }
}

void LogReader::take(std::string_view raw) {
    raw_ = raw;
    line_ = parse_log_line(raw);
    if (!line_) return;
    stamp_ = line_->stamp;
    if (line_->mark == LineMark::kOutput) streams_.together = true;
    if (line_->mark == LineMark::kStdout || line_->mark == LineMark::kStderr) streams_.apart = true;
    if (line_->mark != LineMark::kLogger || !options_->clocks) return;
    const auto note = parse_clock_note(line_->text);
    const auto time = parse_stamp(line_->stamp);
    if (!note || !time) return;
    note_ = std::make_shared<const Note>(*time, note->boottime_us, std::string(note->boot));
}

Result<bool> LogReader::advance() {
    while (!past_) {
        TRY(const bool there, next_raw());
        if (!there) return false;
        if (options_->filter.is_past(line_)) past_ = true;
        const bool note =
            line_ && line_->mark == LineMark::kLogger && parse_clock_note(line_->text);
        if (!note && options_->filter.wants(line_, line_ ? line_->text : raw_)) return true;
    }
    return false;
}

std::optional<ClockNote> LogReader::clock() const {
    const auto time = line_ ? parse_stamp(line_->stamp) : std::nullopt;
    if (!time || !note_ || *time + note_->boottime_us < note_->us) return std::nullopt;
    return ClockNote{*time - note_->us + note_->boottime_us, note_->boot};
}

Result<std::deque<LogReader::Kept>> LogReader::newest_of(std::uint64_t number, std::size_t count) {
    constexpr std::size_t kNotes = 16;  // lines that are not shown, and hardly ever so many
    TRY_VOID(open_number(number));
    // Which boot a line is of, only the lines before it tell.
    const bool skips = !options_->filter.selects() && !options_->clocks;
    if (number == current_ && skips && count < SIZE_MAX - kNotes) {
        TRY(const std::uint64_t offset,
            offset_of_last_lines(current_file_.get(), current_size_, count + kNotes));
        if (file_ && offset > offset_) TRY_VOID(file_->skip(offset - offset_));
    }
    std::deque<Kept> newest;
    lines_ = {};
    while (file_) {
        TRY(const std::string_view bytes, file_->read());
        if (bytes.empty()) break;
        lines_.add(bytes);
        while (const auto raw = lines_.next()) {
            take(*raw);
            const bool note =
                line_ && line_->mark == LineMark::kLogger && parse_clock_note(line_->text);
            if (note || !options_->filter.wants(line_, line_ ? line_->text : *raw)) continue;
            newest.emplace_back(std::string(*raw), note_);
            if (newest.size() > count) newest.pop_front();
        }
    }
    return newest;
}

Result<void> LogReader::only_newest(std::size_t count) {
    const std::uint64_t first = number_;
    std::deque<Kept> newest;
    std::uint64_t number = current_;
    LineBuffer open_line;
    for (; newest.size() < count; --number) {
        TRY(auto more, newest_of(number, count - newest.size()));
        if (number == current_) {
            open_line = std::move(lines_);
            newest_ = note_;
        }
        newest.insert(newest.begin(), std::make_move_iterator(more.begin()),
                      std::make_move_iterator(more.end()));
        if (number <= first) break;
    }
    kept_ = std::move(newest);
    // What is left is the current file's open line, and what follows.
    if (count > 0) {
        lines_ = std::move(open_line);
    } else {
        lines_ = {};
    }
    file_.reset();
    number_ = current_;
    offset_ = current_size_;
    return {};
}

Result<void> LogReader::drop_oldest(std::vector<LogReader>& readers, std::size_t count) {
    std::size_t kept = 0;
    for (const auto& reader : readers) kept += reader.kept_.size();
    for (; kept > count; --kept) {
        LogReader* oldest = nullptr;
        for (auto& reader : readers) {
            if (reader.kept_.empty()) continue;
            const auto stamp = [](const LogReader& one) {
                return std::string_view(one.kept_.front().line).substr(0, kStampLength);
            };
            if (oldest == nullptr || stamp(reader) < stamp(*oldest)) oldest = &reader;
        }
        oldest->kept_.pop_front();
    }
    return {};
}

Result<void> LogReader::read_pipe() {
    std::string block(kBlock, '\0');
    const ssize_t count = ::read(pipe_.get(), block.data(), block.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return {};
    if (count <= 0) return go_on_in_files();
    offset_ += static_cast<std::uint64_t>(count);
    lines_.add(std::string_view(block).substr(0, static_cast<std::size_t>(count)));
    return {};
}

Result<void> LogReader::go_on_in_files() {
    std::uint64_t number = number_;
    std::uint64_t behind = offset_;
    TRY_VOID(ask_current());
    if (number < oldest_) {
        std::fprintf(stderr, "jailsvc: %s: what was written meanwhile is not kept any more\n",
                     unit_.c_str());
        number = oldest_;
        behind = 0;
    }
    // The pipe does not say where a file ends and the next begins.
    for (;; ++number) {
        file_.reset();
        number_ = number;
        offset_ = 0;
        std::uint64_t size = current_size_;
        TRY(Fd fd, file_of(number, size));
        if (!fd) {
            behind = 0;
            continue;
        }
        TRY(file_, LogFile::open(std::move(fd), size));
        TRY(offset_, file_->skip(behind));
        behind -= offset_;
        if (behind == 0 || number >= current_) return {};
    }
}

}  // namespace jailsvc::ctl
