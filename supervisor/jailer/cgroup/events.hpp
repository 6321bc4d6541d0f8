#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "jailer/cgroup/hierarchy.hpp"

namespace jailsvc::jailer::cgroup {

/// What hit a limit.
enum class LimitHit { kOutOfMemory, kTasks };

struct LimitEvent {
    std::string unit;
    LimitHit what{};
    std::uint64_t times = 0;  ///< since it was last told
};

/// Hears from the kernel when units reach their limits: version 2 and the pids controller of both
/// versions say so by a change of a file (memory.events, pids.events), version 1's memory by an
/// eventfd. Two descriptors for all units; nothing is polled.
class Events {
public:
    /// The group of that controller was made; `directory` is the unit's.
    void watch(const std::string& unit, const std::string& controller, const std::string& directory,
               Version version);
    /// Its groups are about to be removed.
    void forget(const std::string& unit);

    /// Readable when there is something to take; -1 while nothing is watched.
    [[nodiscard]] int changes_fd() const { return inotify_ ? inotify_.get() : -1; }
    [[nodiscard]] int oom_fd() const { return oom_ ? oom_.get() : -1; }

    /// Empties both and tells what has been counted since the last time. Version 1 tells of being
    /// out of memory before it ends a process: look again a little later.
    [[nodiscard]] std::vector<LimitEvent> take();

private:
    struct Watched {
        LimitHit what{};
        std::string file;
        std::string counter;  ///< the word before the number in the file
        std::uint64_t seen = 0;
    };
    bool watch_file(const std::string& file);
    bool watch_oom(const std::string& directory);

    Fd inotify_;
    Fd oom_;
    std::multimap<std::string, Watched> watched_;  ///< by unit
};

/// The number after the word in "word number" lines; 0 if there is none.
[[nodiscard]] std::uint64_t counter_in(const std::string& file, const std::string& word);

}  // namespace jailsvc::jailer::cgroup
