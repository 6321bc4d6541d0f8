#include "engine/jobs.hpp"

#include <memory>
#include <utility>

namespace jailsvc::engine {
namespace {

struct Batch {
    std::vector<UnitOutcome> outcomes;
    std::size_t open = 0;
    ClientRef client;
};

}  // namespace

std::string_view name_of(service::JobOutcome outcome) {
    switch (outcome) {
        case service::JobOutcome::kDone:
            return "done";
        case service::JobOutcome::kFailed:
            return "failed";
        case service::JobOutcome::kCancelled:
            return "cancelled";
        case service::JobOutcome::kDependency:
            return "dependency";
        case service::JobOutcome::kTimeout:
            return "timeout";
        case service::JobOutcome::kRefused:
            return "refused";
    }
    return "failed";
}

control::Reply outcomes_reply(const std::vector<UnitOutcome>& outcomes) {
    auto list = control::Json::array();
    for (const UnitOutcome& outcome : outcomes) {
        list.push_back(
            {{"unit", outcome.unit}, {"result", outcome.result}, {"message", outcome.message}});
    }
    return {.parameters = {{"outcomes", std::move(list)}}};
}

void Jobs::wait(service::JobId job, OnSettled on_settled) {
    waiters_.emplace(job, std::move(on_settled));
}

void Jobs::wait_all(std::vector<UnitOutcome> outcomes,
                    const std::vector<std::pair<service::JobId, std::size_t>>& waiting,
                    ClientRef client) {
    if (waiting.empty()) return answer(client, outcomes_reply(outcomes));
    auto batch = std::make_shared<Batch>(std::move(outcomes), waiting.size(), std::move(client));
    for (const auto& [job, index] : waiting) {
        wait(job, [batch, at = index](const service::JobResult& result) {
            batch->outcomes[at].result = name_of(result.outcome);
            batch->outcomes[at].message = result.text;
            if (--batch->open == 0) answer(batch->client, outcomes_reply(batch->outcomes));
        });
    }
}

void Jobs::settled(service::JobId job, const service::JobResult& result) {
    const auto [begin, end] = waiters_.equal_range(job);
    std::vector<OnSettled> called;
    for (auto i = begin; i != end; ++i) called.push_back(std::move(i->second));
    waiters_.erase(begin, end);
    for (const OnSettled& on_settled : called) on_settled(result);
}

}  // namespace jailsvc::engine
