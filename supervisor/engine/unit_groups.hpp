#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/procfs.hpp"
#include "ipc/messages.hpp"

namespace jailsvc::engine {

/// What the kernel counts for a whole unit: the files of its control groups, which anybody may
/// read. The jailer says where they are.
class UnitGroups {
public:
    void set(const ipc::Groups& groups);

    /// Memory, processor time and tasks of the unit, the jail's init among them; nullopt where it
    /// has no group or a file is missing.
    [[nodiscard]] std::optional<Usage> usage_of(std::string_view unit) const;

    /// Pids of the unit's processes, each once; nullopt where it has no group.
    [[nodiscard]] std::optional<std::vector<pid_t>> processes_of(std::string_view unit) const;

    /// Whether its processes are held where they are, all of them by now.
    [[nodiscard]] bool is_frozen(std::string_view unit) const;

    /// Since the unit's group was made.
    struct Hits {
        std::uint64_t oom_kills = 0;      ///< processes ended for want of memory
        std::uint64_t refused_tasks = 0;  ///< forks refused by tasks_max
    };
    [[nodiscard]] Hits hits_of(std::string_view unit) const;

    /// Whether the process is in the unit's group now.
    [[nodiscard]] bool contains(std::string_view unit, pid_t pid) const;

private:
    struct Place {
        std::string directory;
        bool v2 = false;
        [[nodiscard]] std::string file(std::string_view unit, std::string_view v1_name,
                                       std::string_view v2_name) const;
    };
    [[nodiscard]] std::optional<std::uint64_t> processor_us(std::string_view unit) const;
    [[nodiscard]] std::optional<std::uint64_t> tasks(std::string_view unit) const;

    Place tracker_, memory_, cpu_, pids_;
};

/// The number after `word` in lines of "word number".
[[nodiscard]] std::optional<std::uint64_t> find_counter(std::string_view text,
                                                        std::string_view word);

}  // namespace jailsvc::engine
