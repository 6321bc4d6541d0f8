#include "logger/unit_output.hpp"

#include <fmt/format.h>

#include <utility>

namespace jailsvc::logger {
namespace {

constexpr unsigned kFile = ipc::LogSettings::kFile;

}  // namespace

const ipc::LogSettings& UnitOutput::settings() const noexcept {
    static constexpr ipc::LogSettings kUsual{};
    return special_ ? special_->settings : kUsual;
}

void UnitOutput::set(const ipc::LogSettings& settings) {
    if (special_ == nullptr) special_ = std::make_unique<Special>();
    special_->settings = settings;
}

LineMark UnitOutput::mark_of(ipc::LogStream stream) const noexcept {
    if (stream == ipc::LogStream::kError) return LineMark::kStderr;
    return settings().split != 0 ? LineMark::kStdout : LineMark::kOutput;
}

std::uint8_t UnitOutput::sinks_of(ipc::LogStream stream) const noexcept {
    return settings().sinks[std::to_underlying(stream)];
}

bool UnitOutput::has_file() const noexcept {
    return ((settings().sinks[0] | settings().sinks[1]) & kFile) != 0;
}

void UnitOutput::take(Shared& shared, ipc::LogStream stream, std::string_view bytes,
                      const Moment& moment) {
    if (settings().output_cap != 0) bytes = capped(shared, bytes, moment);
    if (settings().rate_limit != 0) bytes = limit(shared, bytes, moment);
    if (bytes.empty()) return;
    if ((sinks_of(stream) & kFile) != 0) {
        log.append(shared, settings(), bytes, mark_of(stream), moment);
    }
    if ((sinks_of(stream) & ~kFile) != 0) send_on(shared, stream, bytes, moment);
}

void UnitOutput::keep(Shared& shared, ipc::LogStream stream, std::string_view bytes,
                      const Moment& moment) {
    if (const std::uint64_t most = settings().output_cap; most != 0) {
        bytes = special_->cap.admit(bytes, most);
    }
    if (const std::uint64_t rate = settings().rate_limit; rate != 0) {
        const auto verdict = special_->rate.admit(bytes, rate, moment.boottime_us());
        bytes = bytes.substr(verdict.skipped, verdict.passed);
    }
    if (bytes.empty()) return;
    if ((sinks_of(stream) & kFile) != 0) log.keep(shared, bytes, mark_of(stream), moment);
    if ((sinks_of(stream) & ~kFile) != 0) send_on(shared, stream, bytes, moment);
}

void UnitOutput::send_on(Shared& shared, ipc::LogStream stream, std::string_view bytes,
                         const Moment& moment) {
    std::string& open = special_->open_lines[std::to_underlying(stream)];
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        const std::string_view part = bytes.substr(0, end);
        if (open.size() + part.size() > kMaxLine) {
            const std::size_t room = kMaxLine - open.size();
            open += part.substr(0, room);
            send_line(shared, stream, open, moment);
            open.clear();
            bytes.remove_prefix(room);
            continue;
        }
        if (end == std::string_view::npos) {
            open += part;
            return;
        }
        if (open.empty()) {
            send_line(shared, stream, part, moment);
        } else {
            open += part;
            send_line(shared, stream, open, moment);
            open.clear();
        }
        bytes.remove_prefix(end + 1);
    }
}

void UnitOutput::send_line(Shared& shared, ipc::LogStream stream, std::string_view line,
                           const Moment& moment) {
    const int priority = take_priority(line);
    const auto sinks = static_cast<std::uint8_t>(sinks_of(stream) & ~kFile);
    shared.outlets.put(sinks, {log.unit(), mark_of(stream), priority, line, moment});
}

void UnitOutput::end_run(Shared& shared) {
    if (has_file()) log.end_line(shared, settings());
    if (special_ == nullptr) return;
    for (std::size_t i = 0; i < ipc::kLogStreams; ++i) {
        std::string& open = special_->open_lines[i];
        if (open.empty()) continue;
        send_line(shared, static_cast<ipc::LogStream>(i), open, Moment::now());
        open = {};
    }
}

std::string_view UnitOutput::limit(Shared& shared, std::string_view bytes, const Moment& moment) {
    const std::uint64_t rate = settings().rate_limit;
    (void)tell_dropped(shared, moment);
    const auto verdict = special_->rate.admit(bytes, rate, moment.boottime_us());
    const std::string_view passed = bytes.substr(verdict.skipped, verdict.passed);
    // The rest of a line that was begun is among what is dropped.
    if (verdict.cut && passed.empty()) end_run(shared);
    return passed;
}

std::string_view UnitOutput::capped(Shared& shared, std::string_view bytes, const Moment& moment) {
    const std::string_view passed = special_->cap.admit(bytes, settings().output_cap);
    if (passed.empty() && special_->cap.take_reached()) {
        end_run(shared);  // of a line that was begun the rest is among what is dropped
        log.say(shared, settings(),
                fmt::format("what this run writes from here on is dropped: more than {} bytes "
                            "(output_cap)",
                            settings().output_cap),
                moment);
    }
    return passed;
}

std::uint64_t UnitOutput::close_run(Shared& shared) {
    end_run(shared);
    if (special_ == nullptr || special_->settings.output_cap == 0) return 0;
    const std::uint64_t dropped = special_->cap.close();
    if (dropped > 0 && special_->cap.take_told()) {
        log.say(shared, settings(),
                fmt::format("{} bytes of this run were dropped (output_cap)", dropped),
                Moment::now());
    }
    return dropped;
}

bool UnitOutput::tell_dropped(Shared& shared, const Moment& moment) {
    RateLimit& rate = special_->rate;
    if (!rate.has_dropped()) return true;
    const auto dropped = rate.take_dropped(settings().rate_limit, moment.boottime_us());
    if (!dropped) return false;
    log.say(
        shared, settings(),
        fmt::format("{} lines ({} bytes) were dropped: more than {} bytes a second (rate_limit)",
                    dropped->lines, dropped->bytes, settings().rate_limit),
        moment);
    return true;
}

bool UnitOutput::has_waiting() const noexcept {
    return !log.ring_empty() || (special_ != nullptr && special_->rate.has_dropped());
}

bool UnitOutput::retry(Shared& shared) {
    const bool written = log.ring_empty() || log.flush_ring(shared, settings());
    return (special_ == nullptr || tell_dropped(shared, Moment::now())) && written;
}

}  // namespace jailsvc::logger
