#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/monitors.hpp"
#include "engine/records.hpp"
#include "engine/transients.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// Hears of every change of state: writes the record at once, logs a line, and keeps settled jobs
/// until somebody takes them (the manager may not be called from here).
class Reporter final : public service::Observer {
public:
    /// Before the records are there (`attach`) changes are only logged.
    void attach(Records* records) { records_ = records; }
    void publish_to(Monitors* monitors, Transients* transients) {
        monitors_ = monitors;
        transients_ = transients;
    }

    void changed(const service::Record& record, service::State before) override;
    void settled(service::JobId job, const service::JobResult& result) override;
    void noted(std::string_view unit, const std::string& text) override;
    void health_changed(std::string_view unit, service::Health before, service::Health now,
                        const std::string& reason) override;
    void essential_ended(std::string_view unit, int exit_code) override;
    void dropped(std::string_view unit) override { dropped_.emplace_back(unit); }

    [[nodiscard]] bool has_end() const { return end_.has_value(); }
    /// The exit code of an essential unit that ended since; of the first of several.
    [[nodiscard]] std::optional<int> take_end() { return std::exchange(end_, std::nullopt); }

    [[nodiscard]] bool has_dropped() const { return !dropped_.empty(); }
    [[nodiscard]] std::vector<std::string> take_dropped() { return std::exchange(dropped_, {}); }

    [[nodiscard]] bool has_settled() const { return !settled_.empty(); }
    [[nodiscard]] std::vector<std::pair<service::JobId, service::JobResult>> take_settled() {
        return std::exchange(settled_, {});
    }

    /// What the state machine does not know of a unit; saved with its record.
    void note_weakened(std::string_view unit, std::uint32_t count);
    void note_pressure(std::string_view unit);
    /// What its run wrote beyond its output_cap [bytes].
    void note_dropped_output(std::string_view unit, std::uint64_t bytes);
    /// Of its group as the service begins.
    void note_hits(std::string_view unit, std::uint64_t oom_kills, std::uint64_t refused_tasks);

private:
    template <typename Change>
    void amend(std::string_view unit, Change change);
    void save(const Records::Entry& entry);

    Records* records_ = nullptr;
    Monitors* monitors_ = nullptr;
    Transients* transients_ = nullptr;
    std::vector<std::pair<service::JobId, service::JobResult>> settled_;
    std::optional<int> end_;
    std::vector<std::string> dropped_;
};

/// "web: running after 12 ms": the line for people, empty where the change is not worth one.
[[nodiscard]] std::string describe_change(const service::Record& record, service::State before,
                                          std::uint64_t now_ns, std::uint64_t began_ns);

/// "web: healthy again": likewise, of its health checks.
[[nodiscard]] std::string describe_health(std::string_view unit, service::Health before,
                                          service::Health now, const std::string& reason);

/// 12 ms, 3.4 s, 5 min.
[[nodiscard]] std::string describe_duration(std::uint64_t nanoseconds);

}  // namespace jailsvc::engine
