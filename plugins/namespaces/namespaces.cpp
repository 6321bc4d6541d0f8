// namespaces: which kernel namespaces a service has to itself.
//
//   [jail.namespaces]
//   pid = true          # sees and signals only its own processes
//   mount = true        # its own mount table; [jail.chroot] needs it
//   ipc = true          # System V IPC and POSIX message queues
//   uts = true          # host name
//   net = true          # network stack: no interface but a loopback that is down
//   user = true         # uids and capabilities, mapped to 65536 host ids of the unit's own
//   cgroup = true       # sees its own cgroup as the root of the tree
//   time = true         # offsets of the monotonic and boot clocks
//   hostname = "web"    # needs uts
//   uid_map = ["0 100000 65536"]   # "first inside, first outside, how many", instead of the
//   gid_map = ["0 100000 65536"]   # unit's own range
//
// An absent key is false: the profiles say what is usual. Sources: namespaces(7), clone(2),
// user_namespaces(7). Runs wholly in the [plan] phase; keeps no state.

#include <linux/sched.h>

#include <jailsvc_plugin.hpp>

#include "doctor.hpp"

namespace {

using jsv::key;
using jsv::Planner;

struct Namespace {
    const char* key;
    std::uint64_t flag;
};
constexpr Namespace kNamespaces[] = {
    {"cgroup", CLONE_NEWCGROUP}, {"ipc", CLONE_NEWIPC}, {"mount", CLONE_NEWNS},
    {"net", CLONE_NEWNET},       {"pid", CLONE_NEWPID}, {"time", CLONE_NEWTIME},
    {"user", CLONE_NEWUSER},     {"uts", CLONE_NEWUTS},
};

constexpr jsv_key kKeys[] = {
    key(JSV_BOOL, "pid", "false", "Own process ids: sees and signals only its own processes."),
    key(JSV_BOOL, "mount", "false", "Own mount table; needed by every jail.chroot mode but none."),
    key(JSV_BOOL, "ipc", "false", "Own System V IPC objects and POSIX message queues."),
    key(JSV_BOOL, "uts", "false", "Own host name."),
    key(JSV_BOOL, "net", "false",
        "Own network stack, its loopback down unless jail.network.mode says more."),
    key(JSV_BOOL, "user", "false",
        "Own user ids and capabilities, on 65536 ids of the host that it alone has."),
    key(JSV_BOOL, "cgroup", "false", "Sees its own cgroup as the root of the cgroup tree."),
    key(JSV_BOOL, "time", "false", "Own offsets of the monotonic and boot-time clocks."),
    key(JSV_STRING, "hostname", nullptr, "Host name in the jail; needs uts = true."),
    key(JSV_STRING_LIST, "uid_map", nullptr,
        "\"INSIDE OUTSIDE COUNT\" lines of the user ids, instead of a range of its own."),
    key(JSV_STRING_LIST, "gid_map", nullptr, "The same of the group ids; both or neither."),
};

constexpr std::size_t kMaxHostname = 64;          // HOST_NAME_MAX of Linux
constexpr std::size_t kMaxMapLines = 340;         // user_namespaces(7), since Linux 4.15
constexpr std::uint64_t kMaxId = UINT32_MAX - 1;  // (uid_t)-1 means "no change" to the kernel

constexpr const char* kWholeRange = "0 0 65536\n";

void add_namespaces(Planner& plan) {
    for (const auto& [name, flag] : kNamespaces) {
        if (!plan.flag(name).value_or(false)) continue;
        plan.add({.kind = JSV_OP_NAMESPACE, .key = name, .number = {flag}});
    }
}

bool is_hostname(const std::string& name) {
    if (name.empty() || name.size() > kMaxHostname || name.front() == '-') return false;
    constexpr const char* kAllowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    return name.find_first_not_of(kAllowed) == std::string::npos;
}

void add_hostname(Planner& plan) {
    const auto name = plan.text("hostname");
    if (!name) return;
    if (!is_hostname(*name)) {
        return plan.fail("hostname",
                         "\"" + *name + "\" is no host name; use 1 to 64 letters, digits, - and .");
    }
    if (!plan.flag("uts").value_or(false)) {
        return plan.fail("hostname", "would rename the host; add uts = true");
    }
    plan.add({.kind = JSV_OP_HOSTNAME, .key = "hostname", .text = {*name}});
}

/// One line of a map, checked and in the kernel's spelling; empty if it is none.
std::string map_line(std::string_view line) {
    std::string checked;
    for (int field = 0; field < 3; ++field) {
        const auto end = field < 2 ? line.find(' ') : line.size();
        if (end == std::string_view::npos) return "";
        const auto number = jsv::parse_decimal(line.substr(0, end), kMaxId);
        if (!number || (field == 2 && *number == 0)) return "";
        checked += std::to_string(*number) + (field < 2 ? " " : "\n");
        line.remove_prefix(field < 2 ? end + 1 : end);
    }
    return checked;
}

std::string read_map(Planner& plan, const char* name) {
    const auto lines = plan.list(name).value_or(std::vector<std::string>{});
    if (lines.size() > kMaxMapLines) plan.fail(name, "the kernel takes at most 340 lines");
    std::string content;
    for (const auto& line : lines) {
        const std::string checked = map_line(line);
        if (checked.empty()) {
            plan.fail(name, "\"" + line +
                                "\" is no map; write \"INSIDE OUTSIDE COUNT\", three "
                                "decimal numbers with one blank between them");
        }
        content += checked;
    }
    return content;
}

void add_maps(Planner& plan) {
    const std::string uids = read_map(plan, "uid_map");
    const std::string gids = read_map(plan, "gid_map");
    const bool user = plan.flag("user").value_or(false);
    if (!user && !uids.empty()) plan.fail("uid_map", "maps the ids of nothing; add user = true");
    if (!user && !gids.empty()) plan.fail("gid_map", "maps the ids of nothing; add user = true");
    if (!user) return;
    if (uids.empty() && gids.empty()) {
        return plan.add({.kind = JSV_OP_ID_MAP,
                         .key = "user",
                         .text = {kWholeRange, kWholeRange},
                         .flags = JSV_ID_MAP_OWN});
    }
    // Without a map every id is the overflow id and setuid(2) fails (user_namespaces(7)).
    if (uids.empty())
        plan.fail("gid_map", "needs uid_map too; or drop both for a range of its own");
    if (gids.empty())
        plan.fail("uid_map", "needs gid_map too; or drop both for a range of its own");
    plan.add({.kind = JSV_OP_ID_MAP, .key = "user", .text = {uids, gids}});
}

int plan(const jsv_host* host) {
    Planner planner(host);
    add_namespaces(planner);
    add_maps(planner);
    add_hostname(planner);
    return planner.result();
}

constexpr jsv_plugin kPlugin =
    jsv::plugin(kKeys, {.name = "namespaces",
                        .version = "1.0",
                        .doc = "Which kernel namespaces the service has to itself.",
                        .plan = plan,
                        .doctor = jailsvc::namespaces::doctor});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
