// Controllers of version 2, which are handed on from group to group (cgroups(7)).
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/sys.hpp"
#include "jailer/cgroup/group_files.hpp"
#include "jailer/cgroup/tree.hpp"
#include "jailer/loop/processes.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

constexpr const char* kSupervisor = "/supervisor";
constexpr const char* kHandedOn = "/cgroup.subtree_control";

/// The keeper, its helpers, and what this one has running for a moment.
std::set<pid_t> own_processes() {
    std::set<pid_t> ours{::getppid(), ::getpid()};
    for (const pid_t parent : {::getppid(), ::getpid()}) {
        for (const pid_t child : children_of(parent)) ours.insert(child);
    }
    return ours;
}

}  // namespace

/// Version 2 hands controllers on only from a group without processes of its own, the root excepted
/// (cgroups(7), "no internal processes"): keeper and helpers move into a group beside the units'.
void Tree::settle_supervisor(const Branch& branch) {
    const auto type = branch.own.directory + "/cgroup.type";
    const bool root = ::access(type.c_str(), F_OK) == -1 && errno == ENOENT;
    if (root || words_of(branch.own.directory + "/cgroup.controllers").empty()) return;
    const std::string home = branch.directory + kSupervisor;
    if (!make_group(home)) return;
    const std::set<pid_t> ours = own_processes();
    for (const pid_t pid : processes_right_in(branch.own.directory)) {
        if (!ours.contains(pid)) continue;
        (void)sys::write_file(home + "/cgroup.procs", std::to_string(pid));
    }
}

/// The way back, once no unit has a group. A group that hands a controller on takes no process, so
/// that has to end first; with groups of others in there it goes on, and ours stays: the next
/// supervisor removes it.
void Tree::unsettle(const Branch& branch) {
    const std::string home = branch.directory + kSupervisor;
    if (branch.own.version == Version::kV1 || ::access(home.c_str(), F_OK) != 0) return;
    if (groups_in(branch.own.directory).size() != 1) return;
    for (const std::string& directory : {branch.directory, branch.own.directory}) {
        for (const std::string& controller : words_of(directory + kHandedOn)) {
            (void)sys::write_file(directory + kHandedOn, "-" + controller);
        }
    }
    for (const pid_t pid : processes_right_in(home)) {
        (void)sys::write_file(branch.own.directory + "/cgroup.procs", std::to_string(pid));
    }
}

Result<void> Tree::enable(const Branch& branch, const std::string& controller) {
    if (!has_word(branch.own.directory + "/cgroup.controllers", controller)) {
        return fail_errno("no controller " + controller, ENOENT);
    }
    for (const std::string& directory : {branch.own.directory, branch.directory}) {
        const std::string file = directory + kHandedOn;
        if (has_word(file, controller)) continue;
        auto written = sys::write_file(file, "+" + controller);
        if (written) continue;
        if (written.error().code == EBUSY) {
            written.error().message +=
                "; give the supervisor a control group of its own, where "
                "nothing else runs (under systemd: Delegate=yes)";
        }
        return written;
    }
    return {};
}

}  // namespace jailsvc::jailer::cgroup
