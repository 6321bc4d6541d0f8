#pragma once

#include <linux/bpf.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

/// bpf(2) for programs that decide over devices in groups of cgroup v2.
namespace jailsvc::jailer::cgroup {

/// The kernel's number of a program, and its digest of the instructions.
struct ProgramInfo {
    std::uint32_t id = 0;  ///< never 0
    std::array<std::uint8_t, BPF_TAG_SIZE> tag{};
};

[[nodiscard]] Result<Fd> load_device_program(std::span<const bpf_insn> program);
[[nodiscard]] Result<ProgramInfo> info_of(int program);
[[nodiscard]] Result<ProgramInfo> info_of_id(std::uint32_t id);

/// From now on the program is asked for every use of a device in the group and those below it,
/// beside those of the groups above; until the group is removed.
[[nodiscard]] Result<void> attach_device_program(const std::string& directory, int program);

/// Numbers of all that are attached to the group itself.
[[nodiscard]] Result<std::vector<std::uint32_t>> attached_device_programs(
    const std::string& directory);

}  // namespace jailsvc::jailer::cgroup
