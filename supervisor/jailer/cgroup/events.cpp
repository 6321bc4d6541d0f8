#include "jailer/cgroup/events.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <sstream>

#include "base/sys.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

/// What is in it does not matter: the counters say it all.
void drain(int fd) {
    char buffer[4096];
    while (fd >= 0 && ::read(fd, buffer, sizeof buffer) > 0) {
    }
}

}  // namespace

std::uint64_t counter_in(const std::string& file, const std::string& word) {
    const auto text = sys::read_file(file, 4096);
    if (!text) return 0;
    std::istringstream lines(*text);
    std::string name;
    for (std::uint64_t value = 0; lines >> name >> value;) {
        if (name == word) return value;
    }
    return 0;
}

/// The kernel reports a changed file of a cgroup to inotify (kernfs_notify, fs/kernfs/file.c).
bool Events::watch_file(const std::string& file) {
    if (!inotify_) inotify_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    return ::inotify_add_watch(inotify_.get(), file.c_str(), IN_MODIFY) >= 0;
}

/// "EVENTFD FD" in cgroup.event_control (cgroup-v1/memory.rst, 10); the kernel keeps what it needs
/// of both, until the group is removed.
bool Events::watch_oom(const std::string& directory) {
    if (!oom_) oom_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const auto control = sys::open(directory + "/memory.oom_control", O_RDONLY);
    if (!control) return false;
    const std::string wish = fmt::format("{} {}", oom_.get(), control->get());
    return sys::write_file(directory + "/cgroup.event_control", wish).has_value();
}

void Events::watch(const std::string& unit, const std::string& controller,
                   const std::string& directory, Version version) {
    Watched watched;
    bool heard = false;
    if (controller == "pids") {
        watched = {LimitHit::kTasks, directory + "/pids.events", "max"};
        heard = watch_file(watched.file);
    } else if (controller == "memory" && version == Version::kV2) {
        watched = {LimitHit::kOutOfMemory, directory + "/memory.events", "oom_kill"};
        heard = watch_file(watched.file);
    } else if (controller == "memory") {
        watched = {LimitHit::kOutOfMemory, directory + "/memory.oom_control", "oom_kill"};
        heard = watch_oom(directory);
    } else {
        return;
    }
    if (!heard)
        return spdlog::warn("{}: reaching its limit will not be told: {}", unit, watched.file);
    watched.seen = counter_in(watched.file, watched.counter);
    watched_.emplace(unit, std::move(watched));
}

void Events::forget(const std::string& unit) {
    watched_.erase(unit);
}

std::vector<LimitEvent> Events::take() {
    drain(changes_fd());
    drain(oom_fd());
    std::vector<LimitEvent> events;
    for (auto& [unit, watched] : watched_) {
        const std::uint64_t now = counter_in(watched.file, watched.counter);
        if (now > watched.seen) events.push_back({unit, watched.what, now - watched.seen});
        watched.seen = now;
    }
    return events;
}

}  // namespace jailsvc::jailer::cgroup
