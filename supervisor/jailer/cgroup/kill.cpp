#include "jailer/cgroup/kill.hpp"

#include <signal.h>

#include <set>

#include "base/sys.hpp"
#include "jailer/cgroup/group_files.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

/// Looks again for processes forked while the last ones were signalled.
constexpr int kMaxRounds = 32;

bool lists(const std::string& directory, pid_t pid) {
    for (const pid_t member : processes_in(directory)) {
        if (member == pid) return true;
    }
    return false;
}

/// A pid read from a list may be another process's by the time it is opened: whoever is killed has
/// to be on the list after that, too.
void kill_process(const std::string& directory, pid_t pid) {
    const auto pidfd = sys::pidfd_open(pid);
    if (!pidfd || !lists(directory, pid)) return;
    (void)sys::pidfd_signal(pidfd->get(), SIGKILL);
}

void kill_one_by_one(const std::string& directory) {
    std::set<pid_t> signalled;
    for (int round = 0; round < kMaxRounds; ++round) {
        bool news = false;
        for (const pid_t pid : processes_in(directory)) {
            if (!signalled.insert(pid).second) continue;
            news = true;
            kill_process(directory, pid);
        }
        if (!news) return;
    }
}

}  // namespace

void kill_group(const std::string& directory, Version version) {
    if (version == Version::kV2 && sys::write_file(directory + "/cgroup.kill", "1")) return;
    // Whoever forks while the group is being frozen is frozen with its child before either gets
    // back to its program (freezer_fork in kernel/cgroup/legacy_freezer.c). The signals are taken
    // when it is thawed.
    const bool frozen = sys::write_file(directory + "/freezer.state", "FROZEN").has_value();
    kill_one_by_one(directory);
    if (frozen) (void)sys::write_file(directory + "/freezer.state", "THAWED");
}

}  // namespace jailsvc::jailer::cgroup
