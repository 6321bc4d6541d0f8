// Units held where they are: cgroup.freeze of version 2, the freezer of version 1.
#include <algorithm>

#include "base/sys.hpp"
#include "jailer/cgroup/group_files.hpp"
#include "jailer/cgroup/tree.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

bool has_freezer(const Hierarchy& own) {
    return own.version == Version::kV2 ||
           std::ranges::find(own.controllers, "freezer") != own.controllers.end();
}

}  // namespace

/// The kernel does so soon, not at once: a process in the middle of a system call ends that first.
Result<void> Tree::freeze(const std::string& unit, bool on) {
    const std::string directory = directory_of(unit, "");
    if (directory.empty()) return fail("the unit has no control group", ENOENT);
    const Branch* branch = tracker();
    if (!has_freezer(branch->own))
        return fail("no hierarchy of control groups can freeze", ENOTSUP);
    if (branch->own.version == Version::kV2) {
        return sys::write_file(directory + "/cgroup.freeze", on ? "1" : "0");
    }
    return sys::write_file(directory + "/freezer.state", on ? "FROZEN" : "THAWED");
}

/// Or about to be.
bool Tree::is_frozen(const std::string& unit) {
    const std::string directory = directory_of(unit, "");
    if (directory.empty()) return false;
    const bool v2 = tracker()->own.version == Version::kV2;
    const auto state = sys::read_file(directory + (v2 ? "/cgroup.freeze" : "/freezer.state"));
    return state && (v2 ? state->starts_with('1') : !state->starts_with("THAWED"));
}

}  // namespace jailsvc::jailer::cgroup
