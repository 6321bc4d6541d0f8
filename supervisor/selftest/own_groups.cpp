#include "selftest/own_groups.hpp"

#include <unistd.h>

#include <stdexcept>

#include "base/sys.hpp"
#include "jailer/cgroup/supervisor_name.hpp"
#include "jailer/loop/processes.hpp"

namespace jailsvc::selftest {

namespace cgroup = jailer::cgroup;

cgroup::Tree own_groups() {
    const auto mounts = sys::read_file("/proc/self/mountinfo", 16U << 20);
    const auto own = sys::read_file("/proc/self/cgroup");
    if (!mounts || !own) throw std::runtime_error("no /proc");
    auto found = cgroup::find_hierarchies(*mounts, *own);
    if (!found) throw std::runtime_error(found.error().message);
    cgroup::Supervisor self = cgroup::own_supervisor();
    self.keeper = ::getpid();
    self.start = jailer::start_time_of(self.keeper);
    return {std::move(*found), cgroup::to_name(self)};
}

}  // namespace jailsvc::selftest
