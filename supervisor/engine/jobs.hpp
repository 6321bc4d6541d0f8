#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/client.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// Outcome of one unit in a call that names several.
struct UnitOutcome {
    std::string unit;
    std::string result;  ///< as in io.jailsvc.Control: done, failed, …, queued
    std::string message;
};

[[nodiscard]] std::string_view name_of(service::JobOutcome outcome);
[[nodiscard]] control::Reply outcomes_reply(const std::vector<UnitOutcome>& outcomes);

/// Who waits for which job.
class Jobs {
public:
    using OnSettled = std::function<void(const service::JobResult&)>;

    void wait(service::JobId job, OnSettled on_settled);

    /// One reply to `client` when all `waiting` jobs have settled; `outcomes` has an entry for
    /// every unit of the call, those not waited for already filled in.
    void wait_all(std::vector<UnitOutcome> outcomes,
                  const std::vector<std::pair<service::JobId, std::size_t>>& waiting,
                  ClientRef client);

    void settled(service::JobId job, const service::JobResult& result);

    [[nodiscard]] std::size_t waiting() const { return waiters_.size(); }

private:
    /// Several calls may wait for the same job.
    std::multimap<service::JobId, OnSettled> waiters_;
};

}  // namespace jailsvc::engine
