#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jailer/cgroup/hierarchy.hpp"

/// From what a plan asks for, in the words of cgroup v2, to files of the version that the machine
/// has. Pure: any machine's mapping can be had on any other.
namespace jailsvc::jailer::cgroup {

/// A controller that groups can be given here.
struct Controller {
    std::string name;
    Version version{};
};

/// A file of version 2 and its value ("memory.max", "67108864"), as an operation of the plan names
/// them.
struct Limit {
    std::uint32_t op = 0;  ///< index into Plan::ops
    std::string file;
    std::string value;
};

/// One file to be written, and read back.
struct Write {
    std::uint32_t op = 0;
    std::string controller;
    std::string file;
    std::string value;

    bool operator==(const Write&) const = default;
};

/// A limit that cannot be had here, and why.
struct Refused {
    std::uint32_t op = 0;
    std::string why;
};

struct Translation {
    std::vector<Write> writes;  ///< in the order in which the kernel takes them
    std::vector<Refused> refused;
    /// memory.oom.group where the kernel has no such file: whoever hears of the out-of-memory kill
    /// has to end the rest.
    bool end_all_on_oom = false;
};

[[nodiscard]] Translation translate(std::span<const Limit> limits,
                                    std::span<const Controller> controllers);

/// What lifts the limits of `before` that `after` has no more: the same files, with the value that
/// limits nothing. That of cpuset.cpus is "", which version 1 does not take: see fill_cpuset.
[[nodiscard]] std::vector<Limit> lifted(std::span<const Limit> before,
                                        std::span<const Limit> after);

/// Whether the file's content says what was written: the kernel rounds sizes to pages, sorts lists
/// and fills in what was left out.
[[nodiscard]] bool holds(const Write& write, std::string_view seen, std::uint64_t page_bytes);

/// "memory" of "memory.max".
[[nodiscard]] std::string_view controller_of(std::string_view file);

}  // namespace jailsvc::jailer::cgroup
