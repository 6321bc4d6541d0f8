// How long a stop of everything may take.

#include <algorithm>
#include <map>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {
namespace {

using config::Duration;

/// For what no timeout bounds: signals on their way, the kernel's taking apart of a jail.
constexpr Duration kBetween = std::chrono::seconds(2);

Duration sum(Duration a, Duration b) {
    return a >= config::kForever - b ? config::kForever : a + b;
}

/// From its turn to stop until it rests. timeout_stop counts for exec_stop and the signals, and
/// once more for exec_stop_post (state_stopping.cpp).
Duration own_bound(const Entry& entry) {
    const config::ServiceTable& service = entry.unit().service;
    Duration bound = sum(service.timeout_stop, kBetween);
    if (!service.exec_stop_post.empty()) bound = sum(bound, service.timeout_stop);
    if (entry.record().state == State::kReloading) bound = sum(bound, service.timeout_start);
    return bound;
}

using Bounds = std::map<const Entry*, Duration>;

/// Of the unit and all that stop before it. The order has no cycle; its depth is that of the graph.
Duration chain_bound(const Entry& entry, Bounds& known) {
    if (const auto found = known.find(&entry); found != known.end()) return found->second;
    known[&entry] = Duration::zero();  // for a unit of a cycle, which cannot have been started
    Duration longest = Duration::zero();
    for (const Entry* later : entry.before) {
        longest = std::max(longest, chain_bound(*later, known));
    }
    const Duration bound = is_idle(entry) ? longest : sum(longest, own_bound(entry));
    known[&entry] = bound;
    return bound;
}

}  // namespace

Duration Manager::stop_bound() const {
    Bounds known;
    Duration longest = Duration::zero();
    for (const auto& entry : impl_->entries) {
        longest = std::max(longest, chain_bound(*entry, known));
    }
    return longest;
}

}  // namespace jailsvc::service
