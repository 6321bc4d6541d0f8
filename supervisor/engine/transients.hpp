#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/client.hpp"
#include "engine/loop.hpp"
#include "engine/records.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// So many jobs that are over are kept; the oldest go first.
inline constexpr std::size_t kMaxJobsOver = 256;

/// Units with [job] among the transient ones, which `jailsvc run` makes: runs, then is over, then
/// is forgotten. What outlives the engine is in their records; this is made anew from those.
class Transients {
public:
    struct Handlers {
        /// Has the logger say when all of the run's output is in the log (output_ended). False:
        /// there is no logger.
        std::function<bool(const std::string& unit)> end_output;
        /// Whether a [timer] that waits will start it again.
        std::function<bool(const std::string& unit)> comes_again;
        /// The `Job` of the control interface.
        std::function<control::Json(const std::string& unit)> describe;
    };
    Transients(struct ev_loop* loop, service::Manager& manager, std::string directory,
               Handlers handlers);

    /// Of the units that the manager has, jobs are met for the first time, or again.
    void look_for_jobs();
    void meet(const std::string& unit);

    [[nodiscard]] bool is_job(std::string_view unit) const { return items_.contains(unit); }
    [[nodiscard]] bool is_over(std::string_view unit) const;
    [[nodiscard]] bool may_go(std::string_view unit) const;  ///< over, or never started
    [[nodiscard]] std::vector<std::string> units() const;

    /// Is answered with the job once it is over.
    void wait(const std::string& unit, ClientRef client);

    /// From within the manager, so nothing is done yet.
    void changed(std::string_view unit) {
        if (items_.contains(unit)) changed_.emplace(unit);
    }
    [[nodiscard]] bool has_changed() const { return !changed_.empty(); }
    /// Sees to what has changed.
    void settle();

    void output_ended(const std::string& unit);
    void logger_lost();

    /// A job that is over goes, and with it whatever is kept of it.
    void collect(const std::string& unit);
    /// Whether the unit left memory because of that; once.
    [[nodiscard]] bool take_collected(std::string_view unit);

private:
    enum class Phase : std::uint8_t {
        kNew,     ///< was not started
        kRuns,    ///< is not at rest, or will not stay there
        kDrains,  ///< is at rest; its output may still be on its way
        kOver,
    };
    struct Item {
        Phase phase = Phase::kNew;
        std::uint64_t since_ns = 0;  ///< when it was met, or was over
        config::Duration keep{};
        std::vector<ClientRef> waiters;
    };
    [[nodiscard]] bool is_transient(const config::Unit& unit) const;
    void look(const std::string& unit, Item& item);
    void finish(const std::string& unit, Item& item);
    void gone(const std::string& unit);
    [[nodiscard]] static std::optional<std::uint64_t> due_of(const Item& item);
    void collect_due();
    void collect_beyond_limit();
    void arm();

    service::Manager& manager_;
    std::string directory_;  ///< of transient units
    Handlers handlers_;
    std::map<std::string, Item, std::less<>> items_;
    std::set<std::string, std::less<>> changed_;
    std::set<std::string, std::less<>> collected_;
    TimerWatch timer_;
};

/// What the control interface says of a job.
[[nodiscard]] control::Json job_of(const service::Status& status, const Extra& extra, bool over,
                                   std::optional<std::int64_t> next_run, std::uint64_t boottime_ns,
                                   std::uint64_t realtime_ns);

}  // namespace jailsvc::engine
