#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "jailer/jail/jail.hpp"

/// Which devices the processes of a group may use, for both versions of control groups.
namespace jailsvc::jailer::cgroup {

/// Devices of one kind that may be used.
struct DeviceRule {
    bool block = false;
    std::uint32_t major = 0;
    std::optional<std::uint32_t> minor;  ///< none: all of the major
    std::uint32_t access = 0;            ///< BPF_DEVCG_ACC_*

    bool operator==(const DeviceRule&) const = default;
};

/// "c 10:229" or "b 8:*", and "rwm" or a part of it.
[[nodiscard]] std::optional<DeviceRule> parse_rule(std::string_view device,
                                                   std::string_view access);

/// A line of version 1's devices.allow, and of devices.list: "c 10:229 rw".
[[nodiscard]] std::string to_line(const DeviceRule& rule);

/// What a plan lets its unit use; nothing else may be used.
struct DeviceList {
    std::uint32_t op = 0;           ///< the first operation that asks for it
    bool by_default = false;        ///< nobody wrote it: left out where there are no means
    std::vector<DeviceRule> rules;  ///< each device once
};
/// nullopt: the plan has no list. An error: a device that it names is not there.
[[nodiscard]] Jailed<std::optional<DeviceList>> device_list(const CompiledPlan& plan);

/// Tells lists apart; not against whom would make two alike.
[[nodiscard]] std::uint64_t hash_of(std::span<const DeviceRule> rules);

/// The list as a program of type BPF_PROG_TYPE_CGROUP_DEVICE: 1 lets a use pass, 0 is EPERM.
[[nodiscard]] std::vector<bpf_insn> to_program(std::span<const DeviceRule> rules);

}  // namespace jailsvc::jailer::cgroup
