// A jail's credentials, read before its init is made: from files, or by commands.

#include "jailer/loop/jails.hpp"
#include "jailer/loop/jails_work.hpp"

namespace jailsvc::jailer {

void Jails::read_credentials(Jail& jail, Making& making) {
    const auto door = core_.groups.open_door(jail.unit);
    if (!door) return made(jail, std::unexpected(to_failure("cgroup", door.error())));
    auto job = CredentialJob::start({.plan = jail.loaded->plan,
                                     .ids = jail.ids,
                                     .places = core_.places,
                                     .spawn = core_.spawn,
                                     .groups = door->entry()});
    if (!job) {
        return made(jail, std::unexpected(to_failure(jail.loaded->plan.plan(), job.error())));
    }
    making.reading.emplace(std::move(*job));
    making.gate.start(making.reading->fd(), EV_READ,
                      [this, unit = jail.unit] { credentials_read(unit); });
    making.limit.start(making.reading->limit(), [this, unit = jail.unit] {
        Jail& late = *find(unit);
        const JailFailure why = making_.at(unit)->reading->late();
        made(late, std::unexpected(to_failure(late.loaded->plan.plan(), why)));
    });
}

void Jails::credentials_read(const std::string& unit) {
    Jail& jail = *find(unit);
    Making& making = *making_.at(unit);
    making.gate.stop();
    making.limit.stop();
    auto mount = making.reading->finish();
    making.reading.reset();
    if (!mount) {
        return made(jail, std::unexpected(to_failure(jail.loaded->plan.plan(), mount.error())));
    }
    making.credentials = std::move(*mount);
    connect(jail, making);
}

}  // namespace jailsvc::jailer
