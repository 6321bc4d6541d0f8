#include "capabilities.hpp"

#include <linux/capability.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace jailsvc::identity {

namespace {

using jsv::Planner;

/// By number, as in linux/capability.h; capabilities(7).
constexpr std::array<std::string_view, CAP_LAST_CAP + 1> kCapabilities = {
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
};

/// What the supervisor has to give: the bounding set that the worker inherits from it (proc(5),
/// CapBnd). Read from /proc because the worker's sandbox has no prctl(2).
std::optional<std::uint64_t> own_bounding_set() {
    std::FILE* const status = std::fopen("/proc/self/status", "re");
    if (status == nullptr) return std::nullopt;
    std::optional<std::uint64_t> set;
    for (char line[256]; !set && std::fgets(line, sizeof line, status) != nullptr;) {
        if (std::string_view(line).starts_with("CapBnd:"))
            set = std::strtoull(line + 7, nullptr, 16);
    }
    std::fclose(status);
    return set;
}

/// "CAP_NET_RAW", "net_raw", …: as a bit; 0 if there is none of that name.
std::uint64_t capability_bit(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    std::string_view name = text;
    if (name.starts_with("cap_")) name.remove_prefix(4);
    const auto found = std::ranges::find(kCapabilities, name);
    if (found == kCapabilities.end()) return 0;
    return std::uint64_t{1} << (found - kCapabilities.begin());
}

std::uint64_t read_capabilities(Planner& plan, const char* name, std::uint64_t own) {
    std::uint64_t set = 0;
    for (const auto& text : plan.list(name).value_or(std::vector<std::string>{})) {
        const std::uint64_t bits = text == "all" ? own : capability_bit(text);
        if (bits == 0) {
            plan.fail(name, "there is no capability \"" + text +
                                "\"; see capabilities(7), or write \"all\"");
        }
        if ((bits & ~own) != 0) {
            plan.fail(name, "\"" + text +
                                "\" is not the supervisor's to give; start it with that "
                                "capability in its bounding set, or leave it out");
        }
        set |= bits;
    }
    return set;
}

}  // namespace

/// A program of uid 0 gets its bounding set by execve(2); any other only what is ambient.
void add_capabilities(Planner& plan, bool is_root) {
    const auto own = own_bounding_set();
    if (!own) return plan.fail("capabilities", "cannot read /proc/self/status; mount /proc");
    const std::uint64_t bounding = read_capabilities(plan, "capabilities", *own);
    const std::uint64_t ambient = read_capabilities(plan, "ambient_capabilities", *own);
    if ((ambient & ~bounding) != 0) {
        plan.fail("ambient_capabilities", "holds what capabilities does not; add it there too");
    }
    plan.add({.kind = JSV_OP_CAPABILITIES,
              .key = "capabilities",
              .number = {bounding, is_root ? bounding : ambient, ambient}});
}

}  // namespace jailsvc::identity
