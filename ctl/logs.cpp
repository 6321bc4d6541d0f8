#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/clock.hpp"
#include "commands.hpp"
#include "log_text.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::size_t kBlock = 64 * 1024;
/// What `logs -f` shows of the past unless told otherwise.
constexpr long kLinesBeforeFollow = 10;

struct OpenLog {
    Fd file;
    Fd follow;
    std::uint64_t size = 0;
};

Result<OpenLog> open_log(const Context& context, const LogsOptions& options) {
    TRY(control::Answer answer,
        ask(context, "Logs", {{"unit", options.unit}, {"follow", options.follow}}));
    if (answer.fds.size() != (options.follow ? 2U : 1U)) {
        return fail("the supervisor sent no descriptor of the log", kFailure);
    }
    OpenLog log;
    log.file = std::move(answer.fds[0]);
    if (options.follow) log.follow = std::move(answer.fds[1]);
    log.size = answer.reply.parameters.value("size", std::uint64_t{0});
    return log;
}

/// The log once more, while the logger may be on its way back.
Result<OpenLog> open_log_again(const Context& context, const LogsOptions& options) {
    constexpr int kTries = 100;
    constexpr int kPauseMs = 50;
    for (int i = 1; i < kTries; ++i) {
        auto log = open_log(context, options);
        if (log) return log;
        ::poll(nullptr, 0, kPauseMs);
    }
    return open_log(context, options);
}

/// Writes lines to stdout: as they are in a pipe, without control characters on a terminal, one
/// JSON object a line for --json.
class LinePrinter {
public:
    LinePrinter(bool json, bool terminal) : json_(json), terminal_(terminal) {}

    void print(std::string_view bytes) {
        if (!json_ && !terminal_) {
            std::fwrite(bytes.data(), 1, bytes.size(), stdout);
            if (!bytes.empty()) line_is_open_ = bytes.back() != '\n';
            return;
        }
        rest_ += bytes;
        std::size_t begin = 0;
        for (std::size_t end; (end = rest_.find('\n', begin)) != std::string::npos;
             begin = end + 1) {
            print_line(std::string_view(rest_).substr(begin, end - begin));
        }
        rest_.erase(0, begin);
    }
    void finish() {
        if (!rest_.empty()) print_line(rest_);
        rest_.clear();
        if (line_is_open_) std::putchar('\n');
        std::fflush(stdout);
    }

private:
    void print_line(std::string_view line) const {
        if (!json_) {
            std::puts(printable(line).c_str());
            return;
        }
        const std::size_t blank = std::min(line.find(' '), line.size());
        const Json object{{"time", line.substr(0, blank)},
                          {"message", blank < line.size() ? line.substr(blank + 1) : ""}};
        std::puts(object.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    }

    bool json_;
    bool terminal_;
    bool line_is_open_ = false;
    std::string rest_;
};

Result<void> print_range(int file, std::uint64_t from, std::uint64_t to, LinePrinter& printer) {
    std::string block(kBlock, '\0');
    while (from < to) {
        const std::size_t want = std::min<std::uint64_t>(kBlock, to - from);
        const ssize_t count = ::pread(file, block.data(), want, static_cast<off_t>(from));
        if (count < 0) return fail_errno("read the log", errno);
        if (count == 0) break;
        printer.print(std::string_view(block).substr(0, static_cast<std::size_t>(count)));
        from += static_cast<std::uint64_t>(count);
    }
    std::fflush(stdout);
    return {};
}

Result<std::uint64_t> start_offset(const OpenLog& log, const LogsOptions& options,
                                   const std::string& since) {
    std::uint64_t offset = 0;
    if (!since.empty()) {
        TRY(offset, offset_since(log.file.get(), log.size, since));
    }
    long lines = options.lines;
    if (lines < 0 && options.follow && options.since.empty()) lines = kLinesBeforeFollow;
    if (lines >= 0) {
        TRY(const std::uint64_t newest, offset_of_last_lines(log.file.get(), log.size, lines));
        offset = std::max(offset, newest);
    }
    return offset;
}

/// Prints the pipe until it ends; returns how many bytes came.
std::uint64_t print_pipe(int pipe, LinePrinter& printer) {
    std::uint64_t total = 0;
    std::string block(kBlock, '\0');
    for (;;) {
        const ssize_t count = ::read(pipe, block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return total;
        total += static_cast<std::uint64_t>(count);
        printer.print(std::string_view(block).substr(0, static_cast<std::size_t>(count)));
        std::fflush(stdout);
    }
}

Result<void> show_logs(const Context& context, const LogsOptions& options) {
    LinePrinter printer(context.json, ::isatty(STDOUT_FILENO) != 0);
    std::string since;
    if (!options.since.empty()) {
        auto parsed = parse_since(options.since, realtime_ns());
        if (!parsed) return fail(parsed.error().message, kUsage);
        since = std::move(*parsed);
    }
    TRY(OpenLog log, open_log(context, options));
    TRY(std::uint64_t offset, start_offset(log, options, since));
    TRY_VOID(print_range(log.file.get(), offset, log.size, printer));
    offset = log.size;
    while (options.follow) {
        offset += print_pipe(log.follow.get(), printer);
        // The pipe ends when we were too slow for it or the logger was replaced: what was missed
        // is in the file.
        TRY(log, open_log_again(context, options));
        TRY_VOID(print_range(log.file.get(), offset, log.size, printer));
        offset = log.size;
    }
    printer.finish();
    return {};
}

}  // namespace

int run_logs(const Context& context, const LogsOptions& options) {
    const auto shown = show_logs(context, options);
    return shown ? kOk : report(context, shown.error());
}

}  // namespace jailsvc::ctl
