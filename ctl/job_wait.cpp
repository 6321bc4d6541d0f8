#include "job_wait.hpp"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "base/clock.hpp"
#include "log_filter.hpp"
#include "log_reader.hpp"
#include "patience.hpp"

namespace jailsvc::ctl {
namespace {

/// What is written at once.
constexpr std::size_t kChunk = 16'384;
/// The logger cuts lines that are longer than it takes, which is more than this; the next line says
/// whether it did.
constexpr std::size_t kMayBeCut = 4096;
/// An engine that has died has a successor within a second or two.
constexpr std::uint64_t kSuccessorNs = 30'000'000'000;
constexpr long kPauseNs = 50'000'000;

void write_chunks(std::FILE* to, std::string_view text) {
    while (!text.empty()) {
        const std::string_view chunk = text.substr(0, kChunk);
        std::fwrite(chunk.data(), 1, chunk.size(), to);
        text.remove_prefix(chunk.size());
    }
}

/// A job's lines as it wrote them: those of its standard error on ours.
class Printer {
public:
    Result<void> print(LogReader& reader) {
        for (;;) {
            TRY(const bool there, reader.advance());
            if (!there) break;
            const auto& line = reader.line();
            if (!line || line->mark == LineMark::kLogger) continue;
            std::FILE* to = line->mark == LineMark::kStderr ? stderr : stdout;
            bool& open = open_[line->mark == LineMark::kStderr];
            if (open && !line->continues) std::fputc('\n', to);
            write_chunks(to, line->text);
            open = line->text.size() >= kMayBeCut;
            if (!open) std::fputc('\n', to);
        }
        return std::fflush(stdout) == 0 ? Result<void>() : fail_errno("standard output");
    }
    void end_lines() {
        if (std::exchange(open_[0], false)) std::fputc('\n', stdout);
        if (std::exchange(open_[1], false)) std::fputc('\n', stderr);
    }

private:
    bool open_[2] = {false, false};
};

/// Whether the pipe has more to read, or has ended before its time.
bool has_more(int pipe) {
    pollfd look{.fd = pipe, .events = POLLIN, .revents = 0};
    return ::poll(&look, 1, 0) == 1;
}

}  // namespace

Result<void> JobWait::ask() {
    const std::uint64_t until = boottime_ns() + kSuccessorNs;
    for (;;) {
        auto client = connect(context_);
        const auto sent = client ? client->send("WaitJob", {{"unit", unit_}})
                                 : Result<void>(std::unexpected(client.error()));
        if (sent) {
            client_ = std::move(*client);
            return {};
        }
        if (boottime_ns() > until) return std::unexpected(sent.error());
        const timespec pause{.tv_sec = 0, .tv_nsec = kPauseNs};
        ::nanosleep(&pause, nullptr);
    }
}

Result<std::optional<Json>> JobWait::answered() {
    auto answer = client_->receive();
    if (!answer) {
        TRY_VOID(ask());
        return std::nullopt;
    }
    TRY(const auto good, checked(std::move(answer)));
    return good.reply.parameters.value("job", Json::object());
}

Result<Json> JobWait::relay(Terminal& terminal) {
    TRY_VOID(ask());
    for (;;) {
        while (!terminal.relay(socket(), kLookMs)) continue;
        TRY(auto job, answered());
        if (job) return *job;
    }
}

Result<Json> JobWait::show_output(std::uint64_t began_us, bool show) {
    TRY_VOID(ask());
    const LogFilter filter = LogFilter::since(began_us);
    const LogReader::Options reading{context_, filter, true, false};
    std::optional<LogReader> reader;
    if (show) {
        TRY(auto opened, LogReader::open(unit_, reading));
        reader.emplace(std::move(opened));
    }
    Printer printer;
    for (std::optional<Json> job; !job;) {
        if (reader) TRY_VOID(printer.print(*reader));
        pollfd watched[] = {{socket(), POLLIN, 0}, {reader ? reader->pipe() : -1, POLLIN, 0}};
        if (::poll(watched, 2, -1) < 0 && errno != EINTR) return fail_errno("poll");
        if (watched[0].revents != 0) {
            TRY(job, answered());
        } else if (watched[1].revents != 0) {
            TRY_VOID(reader->read_pipe());
        }
        if (!job) continue;
        // All of it is in the pipe by now: the answer comes after that.
        while (reader && has_more(reader->pipe())) TRY_VOID(reader->read_pipe());
        if (reader) TRY_VOID(printer.print(*reader));
        printer.end_lines();
        return *job;
    }
    return Json();
}

}  // namespace jailsvc::ctl
