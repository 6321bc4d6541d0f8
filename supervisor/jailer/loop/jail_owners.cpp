// A unit's kept directories that have belonged to somebody else, given to its user before its jail
// is made.

#include <spdlog/spdlog.h>

#include "jailer/loop/jails.hpp"
#include "jailer/loop/jails_work.hpp"

namespace jailsvc::jailer {
namespace {

/// Millions of files [s].
constexpr double kLimit = 600;

StartFailure failure_of(const std::string& unit, const Error& error) {
    return {error.code, "core", "owner", unit + ": owner: " + error.message};
}

}  // namespace

void Jails::hand_over_directories(Jail& jail, Making& making) {
    for (const Handover& one : making.work.handovers) {
        spdlog::info("{}: {} belongs to {}:{}; giving it, and what they have in it, to {}:{}",
                     jail.unit, one.path, one.from.uid, one.from.gid, one.to.uid, one.to.gid);
    }
    auto job = HandoverJob::start(making.work.handovers);
    if (!job) return made(jail, std::unexpected(failure_of(jail.unit, job.error())));
    making.handing.emplace(std::move(*job));
    making.gate.start(making.handing->fd(), EV_READ,
                      [this, unit = jail.unit] { handed_over(unit); });
    making.limit.start(kLimit, [this, unit = jail.unit] {
        made(*find(unit),
             std::unexpected(failure_of(
                 unit, {"its directories hold too many files; chown them by hand", ETIMEDOUT})));
    });
}

void Jails::handed_over(const std::string& unit) {
    Jail& jail = *find(unit);
    Making& making = *making_.at(unit);
    making.gate.stop();
    making.limit.stop();
    const auto done = making.handing->finish();
    making.handing.reset();
    making.work.handovers.clear();
    if (!done) return made(jail, std::unexpected(failure_of(unit, done.error())));
    build_on(jail, making);
}

}  // namespace jailsvc::jailer
