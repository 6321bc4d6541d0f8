#include "engine/reporter.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/clock.hpp"

namespace jailsvc::engine {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMillisecond;
constexpr std::uint64_t kMinute = 60 * kSecond;

}  // namespace

std::string describe_duration(std::uint64_t nanoseconds) {
    if (nanoseconds < kSecond) return fmt::format("{} ms", nanoseconds / kMillisecond);
    if (nanoseconds < kMinute) {
        return fmt::format("{:.1f} s", static_cast<double>(nanoseconds) / kSecond);
    }
    return fmt::format("{} min", nanoseconds / kMinute);
}

std::string describe_change(const service::Record& record, service::State before,
                            std::uint64_t now_ns, std::uint64_t began_ns) {
    using service::State;
    if (record.state == before) return {};
    const std::string took = describe_duration(now_ns > began_ns ? now_ns - began_ns : 0);
    switch (record.state) {
        case State::kRunning:
            return fmt::format("{}: running after {}, pid {}", record.unit, took, record.main_pid);
        case State::kBackoff:
            return fmt::format("{}: {}; starts again in {}", record.unit, record.because,
                               describe_duration(record.backoff_until_ns > now_ns
                                                     ? record.backoff_until_ns - now_ns
                                                     : 0));
        case State::kFailed:
            return fmt::format("{}: failed: {}", record.unit, record.because);
        case State::kInactive:
            return fmt::format("{}: stopped after {}", record.unit, took);
        case State::kWaiting:
        case State::kStarting:
        case State::kReloading:
        case State::kStopping:
        case State::kDone:
        case State::kListening:
            return fmt::format("{}: {}", record.unit, state_name(record, record.state));
    }
    return {};
}

void Reporter::changed(const service::Record& record, service::State before) {
    Records::Entry entry{.record = record, .extra = {}};
    std::uint64_t began = record.state_since_ns;
    if (records_ != nullptr) {
        if (const auto old = records_->find(record.unit)) {
            entry.extra = old->extra;
            began = old->record.state_since_ns;  // when the state that ends now began
        }
    }
    save(entry);
    if (monitors_ != nullptr) monitors_->changed(record, before);
    if (transients_ != nullptr) transients_->changed(record.unit);
    const std::string line = describe_change(record, before, boottime_ns(), began);
    if (line.empty()) return;
    if (record.state == service::State::kFailed) {
        spdlog::error("{}", line);
    } else if (record.state == service::State::kBackoff) {
        spdlog::warn("{}", line);
    } else {
        spdlog::info("{}", line);
    }
}

void Reporter::save(const Records::Entry& entry) {
    if (records_ == nullptr || records_->save(entry)) return;
    spdlog::error("{}: no place left for its record ({} units); it would not survive the engine",
                  entry.record.unit, ipc::kMaxUnits);
}

void Reporter::settled(service::JobId job, const service::JobResult& result) {
    settled_.emplace_back(job, result);
}

void Reporter::noted(std::string_view unit, const std::string& text) {
    spdlog::warn("{}: {}", unit, text);
    if (monitors_ != nullptr) monitors_->noted(unit, text);
}

std::string describe_health(std::string_view unit, service::Health before, service::Health now,
                            const std::string& reason) {
    using service::Health;
    switch (now) {
        case Health::kNone:
        case Health::kStarting:
            return {};
        case Health::kHealthy:
            return fmt::format("{}: healthy{}", unit, before == Health::kUnhealthy ? " again" : "");
        case Health::kUnhealthy:
            return fmt::format("{}: unhealthy: {}", unit, reason);
    }
    return {};
}

void Reporter::health_changed(std::string_view unit, service::Health before, service::Health now,
                              const std::string& reason) {
    if (monitors_ != nullptr) monitors_->health_changed(unit, before, now, reason);
    const std::string line = describe_health(unit, before, now, reason);
    if (line.empty()) return;
    spdlog::log(now == service::Health::kUnhealthy ? spdlog::level::warn : spdlog::level::info,
                "{}", line);
}

void Reporter::essential_ended(std::string_view unit, int exit_code) {
    spdlog::warn("{}: is essential and has ended: exit code {}", unit, exit_code);
    if (!end_) end_ = exit_code;
}

template <typename Change>
void Reporter::amend(std::string_view unit, Change change) {
    auto entry = records_ == nullptr ? std::nullopt : records_->find(unit);
    if (!entry) return;
    change(entry->extra);
    save(*entry);
}

void Reporter::note_weakened(std::string_view unit, std::uint32_t count) {
    amend(unit, [count](Extra& extra) { extra.weakened = count; });
    if (count > 0) spdlog::warn("{}: {} optional operations of its jail did not hold", unit, count);
}

void Reporter::note_pressure(std::string_view unit) {
    amend(unit, [](Extra& extra) { ++extra.pressure; });
}

void Reporter::note_hits(std::string_view unit, std::uint64_t oom_kills,
                         std::uint64_t refused_tasks) {
    amend(unit, [&](Extra& extra) {
        extra.oom_kills = oom_kills;
        extra.refused_tasks = refused_tasks;
        extra.pressure = 0;
        extra.output_dropped = 0;
    });
}

void Reporter::note_dropped_output(std::string_view unit, std::uint64_t bytes) {
    amend(unit, [bytes](Extra& extra) { extra.output_dropped = bytes; });
    spdlog::warn("{}: {} bytes of its output were dropped (output_cap)", unit, bytes);
}

}  // namespace jailsvc::engine
