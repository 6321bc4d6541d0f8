#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/clock.hpp"
#include "commands.hpp"
#include "log_filter.hpp"
#include "log_reader.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

/// What `logs -f` shows of the past unless told otherwise.
constexpr std::size_t kLinesBeforeFollow = 10;

const char* stream_name(LineMark mark) {
    switch (mark) {
        case LineMark::kOutput:
            return "output";
        case LineMark::kStdout:
            return "stdout";
        case LineMark::kStderr:
            return "stderr";
        case LineMark::kLogger:
            return "logger";
    }
    return "output";
}

/// Writes lines to stdout: as they are in a pipe, without control characters on a terminal, one
/// JSON object a line for --json.
class LinePrinter {
public:
    LinePrinter(bool json, bool terminal, bool units)
        : json_(json), terminal_(terminal), units_(units) {}

    void print(const LogReader& reader) const {
        if (json_) {
            print_json_line(reader);
            return;
        }
        text_ = reader.raw();
        if (units_) {
            // Behind the stamp, so that columns stay where they are.
            const std::size_t at =
                reader.line()
                    ? static_cast<std::size_t>(reader.line()->text.data() - reader.raw().data())
                    : 0;
            text_.insert(at, reader.unit() + ": ");
        }
        if (terminal_) text_ = printable(text_);
        text_ += '\n';
        std::fwrite(text_.data(), 1, text_.size(), stdout);
    }

private:
    static void print_json_line(const LogReader& reader) {
        Json object{{"unit", reader.unit()}};
        if (const auto& line = reader.line()) {
            object["time"] = line->stamp;
            object["stream"] = stream_name(line->mark);
            object["message"] = line->text;
            if (line->continues) object["continues"] = true;
            if (const auto clock = reader.clock()) {
                object["boottime_us"] = clock->boottime_us;
                object["boot"] = clock->boot;
            }
        } else {
            object["message"] = reader.raw();
        }
        std::puts(object.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    }

    bool json_, terminal_, units_;
    mutable std::string text_;
};

/// Several units' lines as one sequence, by their stamps.
class Merge {
public:
    explicit Merge(std::vector<LogReader>& readers) : readers_(readers), ready_(readers.size()) {}

    /// Prints all that is there.
    Result<void> print(const LinePrinter& printer) {
        for (;;) {
            LogReader* first = nullptr;
            for (std::size_t i = 0; i < readers_.size(); ++i) {
                if (!ready_[i]) {
                    TRY(ready_[i], readers_[i].advance());
                }
                if (!ready_[i]) continue;
                if (first == nullptr || readers_[i].stamp() < first->stamp()) first = &readers_[i];
            }
            if (first == nullptr) return {};
            printer.print(*first);
            ready_[static_cast<std::size_t>(first - readers_.data())] = false;
        }
    }

private:
    std::vector<LogReader>& readers_;
    std::vector<bool> ready_;
};

/// False: who reads what we print has gone.
Result<bool> wait_for_more(std::vector<LogReader>& readers) {
    std::vector<pollfd> pipes;
    for (const auto& reader : readers) pipes.push_back({reader.pipe(), POLLIN, 0});
    pipes.push_back({STDOUT_FILENO, 0, 0});  // a pipe without a reader is an error (poll(2))
    if (::poll(pipes.data(), pipes.size(), -1) < 0 && errno != EINTR) return fail_errno("poll");
    for (std::size_t i = 0; i < readers.size(); ++i) {
        if (pipes[i].revents != 0) TRY_VOID(readers[i].read_pipe());
    }
    return pipes.back().revents == 0;
}

/// A setting of [logging], as the supervisor prints it; empty: it does not say.
std::string logging_setting(const std::string& unit_text, const std::string& key) {
    const std::size_t table = unit_text.find("[logging]\n");
    if (table == std::string::npos) return {};
    const std::size_t end = unit_text.find("\n[", table);
    const std::string line = "\n" + key + " = \"";
    const std::size_t at = unit_text.find(line, table);
    if (at >= end) return {};
    const std::size_t begin = at + line.size();
    return unit_text.substr(begin, unit_text.find('"', begin) - begin);
}

/// Whether "log" is one of the sinks that a setting names, as in "journal+log".
bool is_kept(const std::string& setting) {
    return setting.empty() || ('+' + setting + '+').find("+log+") != std::string::npos;
}

/// Where the output of a unit with an empty log goes, if not there.
void explain_empty(const Context& context, const std::string& unit) {
    const auto answer = ask(context, "Show", {{"unit", unit}, {"effective", true}});
    if (!answer) return;  // a unit that is no more
    const std::string text = answer->reply.parameters.value("text", "");
    if (text.find("[service]\n") == std::string::npos) {
        std::fprintf(stderr, "jailsvc: %s: a target runs no program, so it has no log\n",
                     unit.c_str());
        return;
    }
    const std::string to = logging_setting(text, "stdout");
    const std::string errors = logging_setting(text, "stderr");
    if (is_kept(to) || is_kept(errors)) return;
    std::fprintf(stderr,
                 "jailsvc: %s: its output goes to %s%s%s, not to a log; [logging] stdout = \"log\" "
                 "keeps it here\n",
                 unit.c_str(), printable(to).c_str(), to == errors ? "" : " and ",
                 to == errors ? "" : printable(errors).c_str());
}

/// Why there is nothing to see, where that is the unit's own doing.
void explain_silence(const Context& context, const LogsOptions& options,
                     const std::vector<LogReader>& readers) {
    for (const auto& reader : readers) {
        const auto& [together, apart] = reader.streams();
        if (!together && !apart) explain_empty(context, reader.unit());
        if (options.stream.empty() || !together || apart) continue;
        std::fprintf(
            stderr,
            "jailsvc: %s: its log does not tell output from errors; [logging] split = true "
            "makes it, from its next start on\n",
            reader.unit().c_str());
    }
}

Result<std::vector<LogReader>> open_readers(const LogsOptions& options,
                                            const LogReader::Options& reading) {
    std::vector<LogReader> readers;
    std::vector<std::string> units = options.units;
    std::ranges::sort(units);
    const auto [repeated, end] = std::ranges::unique(units);
    units.erase(repeated, end);
    for (const auto& unit : units) {
        TRY(auto reader, LogReader::open(unit, reading));
        readers.push_back(std::move(reader));
    }
    return readers;
}

/// Of all units together the newest lines.
Result<void> keep_newest(std::vector<LogReader>& readers, std::size_t count) {
    for (auto& reader : readers) TRY_VOID(reader.only_newest(count));
    if (readers.size() == 1) return {};
    return LogReader::drop_oldest(readers, count);
}

Result<void> show_logs(const Context& context, const LogsOptions& options) {
    if (options.units.empty()) return fail("logs of which unit? `jailsvc list` names them", kUsage);
    TRY(const LogFilter filter, LogFilter::make(options, realtime_ns() / 1000));
    const LogReader::Options reading{context, filter, options.follow, context.json};
    TRY(auto readers, open_readers(options, reading));
    if (options.lines >= 0) {
        TRY_VOID(keep_newest(readers, static_cast<std::size_t>(options.lines)));
    } else if (options.follow && options.since.empty()) {
        TRY_VOID(keep_newest(readers, kLinesBeforeFollow));
    }
    const LinePrinter printer(context.json, ::isatty(STDOUT_FILENO) != 0, readers.size() > 1);
    Merge merge(readers);
    for (bool first = true;; first = false) {
        TRY_VOID(merge.print(printer));
        if (std::fflush(stdout) != 0) return {};  // which is told for every command
        if (first) explain_silence(context, options, readers);
        if (!options.follow) return {};
        TRY(const bool wanted, wait_for_more(readers));
        if (!wanted) return {};
    }
}

}  // namespace

int run_logs(const Context& context, const LogsOptions& options) {
    const auto shown = show_logs(context, options);
    return shown ? kOk : report(context, shown.error());
}

}  // namespace jailsvc::ctl
