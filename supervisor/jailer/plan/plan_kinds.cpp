// The table of operation kinds: how each is called, where it runs and what its fields are.

#include <algorithm>

#include "jailer/plan/plan.hpp"

namespace jailsvc::jailer {
namespace {

constexpr KindInfo kKinds[] = {
    {JSV_OP_HOST_DIRECTORY, JSV_STAGE_PARENT, "host_directory", {"path", ""}, {"mode", "", ""}, 1},
    {JSV_OP_CGROUP, JSV_STAGE_PARENT, "cgroup", {"file", "value"}, {}, 0},
    {JSV_OP_PRESSURE,
     JSV_STAGE_PARENT,
     "pressure",
     {"file", "trigger"},
     {"action", "signal", ""},
     0},
    {JSV_OP_DEVICES, JSV_STAGE_PARENT, "devices", {"device", "access"}, {}, 0},
    {JSV_OP_NET_EDGE, JSV_STAGE_PARENT, "net_edge", {"unit", ""}, {"port", "protocol", ""}, 0},
    {JSV_OP_NET_FORWARD,
     JSV_STAGE_PARENT,
     "net_forward",
     {},
     {"host_port", "jail_port", "protocol"},
     0},
    {JSV_OP_EGRESS, JSV_STAGE_PARENT, "egress", {"destination", ""}, {"port", "", ""}, 0},
    {JSV_OP_NAMESPACE, JSV_STAGE_NAMESPACES, "namespace", {}, {"type", "", ""}, 0},
    {JSV_OP_ID_MAP, JSV_STAGE_NAMESPACES, "id_map", {"uid_map", "gid_map"}, {}, 0},
    {JSV_OP_NETWORK, JSV_STAGE_NAMESPACES, "network", {"range", ""}, {"interfaces", "", ""}, 0},
    {JSV_OP_NETWORK_JOIN, JSV_STAGE_NAMESPACES, "network_join", {"unit", ""}, {}, 0},
    {JSV_OP_HOSTNAME, JSV_STAGE_MOUNTS, "hostname", {"name", ""}, {}, 0},
    {JSV_OP_ROOT, JSV_STAGE_MOUNTS, "root", {"source", ""}, {}, 1},
    {JSV_OP_BIND, JSV_STAGE_MOUNTS, "bind", {"source", "target"}, {}, 2},
    {JSV_OP_TMPFS, JSV_STAGE_MOUNTS, "tmpfs", {"target", ""}, {"size", "mode", ""}, 1},
    {JSV_OP_PROC, JSV_STAGE_MOUNTS, "proc", {"target", ""}, {"hidepid", "", ""}, 1},
    {JSV_OP_DEV, JSV_STAGE_MOUNTS, "dev", {"target", ""}, {}, 1},
    {JSV_OP_DEVICE, JSV_STAGE_MOUNTS, "device", {"path", ""}, {}, 1},
    {JSV_OP_MASK, JSV_STAGE_MOUNTS, "mask", {"target", ""}, {}, 1},
    {JSV_OP_READ_ONLY, JSV_STAGE_MOUNTS, "read_only", {"target", ""}, {}, 1},
    {JSV_OP_SYSCTL, JSV_STAGE_MOUNTS, "sysctl", {"name", "value"}, {}, 0},
    {JSV_OP_FILE, JSV_STAGE_MOUNTS, "file", {"target", "content"}, {}, 1},
    {JSV_OP_VIEW, JSV_STAGE_MOUNTS, "view", {}, {}, 0},
    {JSV_OP_REVEAL, JSV_STAGE_MOUNTS, "reveal", {"path", ""}, {}, 1},
    {JSV_OP_SYSFS, JSV_STAGE_MOUNTS, "sysfs", {"target", ""}, {}, 1},
    {JSV_OP_CREDENTIALS, JSV_STAGE_MOUNTS, "credentials", {"target", ""}, {"limit_ns", "", ""}, 1},
    {JSV_OP_CREDENTIAL, JSV_STAGE_MOUNTS, "credential", {"name", "source"}, {"from", "", ""}, 0},
    {JSV_OP_RLIMIT, JSV_STAGE_PROCESS, "rlimit", {}, {"limit", "soft", "hard"}, 0},
    {JSV_OP_NICE, JSV_STAGE_PROCESS, "nice", {}, {"value", "", ""}, 0},
    {JSV_OP_OOM_SCORE, JSV_STAGE_PROCESS, "oom_score_adjust", {}, {"value", "", ""}, 0},
    {JSV_OP_UMASK, JSV_STAGE_PROCESS, "umask", {}, {"mask", "", ""}, 0},
    {JSV_OP_CHDIR, JSV_STAGE_PROCESS, "chdir", {"path", ""}, {}, 1},
    {JSV_OP_ENVIRONMENT, JSV_STAGE_PROCESS, "environment", {"name", "value"}, {}, 0},
    {JSV_OP_SESSION, JSV_STAGE_PROCESS, "session", {}, {}, 0},
    {JSV_OP_IDS, JSV_STAGE_IDENTITY, "ids", {}, {"uid", "gid", ""}, 0},
    {JSV_OP_CAPABILITIES,
     JSV_STAGE_IDENTITY,
     "capabilities",
     {},
     {"bounding", "permitted", "ambient"},
     0},
    {JSV_OP_SECUREBITS, JSV_STAGE_IDENTITY, "securebits", {}, {"bits", "", ""}, 0},
    {JSV_OP_NO_NEW_PRIVS, JSV_STAGE_LOCKDOWN, "no_new_privs", {}, {}, 0},
    {JSV_OP_LANDLOCK, JSV_STAGE_LOCKDOWN, "landlock", {}, {"fs", "net", "scope"}, 0},
    {JSV_OP_LANDLOCK_PATH, JSV_STAGE_LOCKDOWN, "landlock_path", {"path", ""}, {"fs", "", ""}, 1},
    {JSV_OP_LANDLOCK_PORT, JSV_STAGE_LOCKDOWN, "landlock_port", {}, {"port", "net", ""}, 0},
    {JSV_OP_SECCOMP,
     JSV_STAGE_LOCKDOWN,
     "seccomp",
     {"promises", "otherwise"},
     {"own_pid", "", ""},
     0},
    {JSV_OP_SECCOMP_MAIN,
     JSV_STAGE_LOCKDOWN,
     "seccomp_main",
     {"promises", "otherwise"},
     {"own_pid", "", ""},
     0},
};

constexpr std::string_view kStageNames[] = {"parent",  "namespaces", "mounts",
                                            "process", "identity",   "lockdown"};

}  // namespace

const KindInfo* find_kind(unsigned kind) {
    const auto* found = std::ranges::find_if(
        kKinds, [kind](const KindInfo& info) { return static_cast<unsigned>(info.kind) == kind; });
    return found == std::end(kKinds) ? nullptr : found;
}

std::string_view stage_name(jsv_stage stage) {
    const auto index = static_cast<std::size_t>(stage);
    return index < std::size(kStageNames) ? kStageNames[index] : "unknown";
}

}  // namespace jailsvc::jailer
