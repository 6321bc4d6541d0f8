#include "jailer/plan/plan_check.hpp"

#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <sstream>
#include <tuple>

#include "config/names.hpp"
#include "jailer/cgroup/devices.hpp"
#include "jailer/child/landlock_rights.hpp"
#include "jailer/net/addresses.hpp"
#include "jailer/plan/credential_access.hpp"
#include "jailer/plan/credential_limits.hpp"
#include "jailer/plan/id_range.hpp"
#include "jailer/plan/plan_relations.hpp"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80  // linux/sched.h; glibc 2.36 lacks it
#endif

namespace jailsvc::jailer {
namespace {

constexpr std::uint64_t kNamespaceTypes = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
                                          CLONE_NEWNET | CLONE_NEWUSER | CLONE_NEWTIME |
                                          CLONE_NEWCGROUP;
constexpr std::uint32_t kMountFlags = JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV |
                                      JSV_MOUNT_NOEXEC | JSV_MOUNT_CREATE | JSV_MOUNT_OPTIONAL;
constexpr std::uint64_t kModeBits = 07777;
constexpr std::uint64_t kMaskBits = 0777;
constexpr std::uint64_t kSecureBits = 0xff;    ///< capabilities(7): four bits and their locks
constexpr std::size_t kMaxPath = 4095;         ///< PATH_MAX without its NUL
constexpr std::size_t kMaxDestination = 1024;  ///< of UTF-8, and a port [bytes]
constexpr std::size_t kMaxHostname = 64;       ///< uname(2)
constexpr std::size_t kMaxCgroupText = 255;    ///< NAME_MAX; a value is a line at most
constexpr std::size_t kMaxGroups = kMaxBlob / sizeof(std::uint32_t);

bool has_dots(std::string_view path) {
    return path == ".." || path.starts_with("../") || path.ends_with("/..") ||
           path.find("/../") != std::string_view::npos;
}

Result<void> check_path(const Op& op, std::string_view field, const std::string& path) {
    const auto bad = [&](std::string_view why) {
        return refuse(op, fmt::format("{} \"{}\" {}", field, path.substr(0, 100), why));
    };
    if (path.empty()) return refuse(op, fmt::format("{} is missing", field));
    if (!path.starts_with('/')) return bad("is not an absolute path");
    if (has_dots(path)) return bad("has a \"..\" in it; write the path out");
    if (path.size() > kMaxPath) return bad("is longer than 4095 bytes");
    return {};
}

std::uint32_t allowed_flags(const Op& op) {
    if (op.kind == JSV_OP_HOST_DIRECTORY) return JSV_DIR_RECREATE;
    if (op.kind == JSV_OP_IDS) return JSV_IDS_DYNAMIC;
    if (op.kind == JSV_OP_ID_MAP) return JSV_ID_MAP_OWN;
    if (op.kind == JSV_OP_ROOT || op.kind == JSV_OP_BIND) return kMountFlags | JSV_MOUNT_IDMAP;
    if (op.kind == JSV_OP_DEVICES) return JSV_DEVICES_DEFAULT;
    if (op.kind == JSV_OP_ENVIRONMENT) return JSV_ENV_SECRET;
    if (op.kind == JSV_OP_LANDLOCK) return JSV_LANDLOCK_SCOPE_IF_KNOWN;
    if (op.kind == JSV_OP_LANDLOCK_PATH) return JSV_MOUNT_OPTIONAL;
    if (op.kind == JSV_OP_REVEAL) {
        return JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOEXEC | JSV_MOUNT_OPTIONAL;
    }
    if (op.kind == JSV_OP_SECCOMP) {
        return JSV_SECCOMP_EXEC_ONCE | JSV_SECCOMP_NO_UNIX_SOCKETS | JSV_SECCOMP_LEARN;
    }
    if (op.kind == JSV_OP_CREDENTIALS) return 0;
    const bool mounts = op.stage == JSV_STAGE_MOUNTS && find_kind(op.kind)->paths > 0;
    return mounts ? kMountFlags : 0;
}

/// Lengths, paths and unused fields: the same rule for all kinds, from their table.
Result<void> check_fields(const Op& op, const KindInfo& info) {
    if (op.stage != info.stage) return refuse(op, "wrong stage");
    if ((op.flags & ~allowed_flags(op)) != 0) {
        return refuse(op, fmt::format("unknown flags {:#x}", op.flags & ~allowed_flags(op)));
    }
    for (std::size_t i = 0; i < op.text.size(); ++i) {
        const std::string& text = op.text[i];
        if (info.text[i].empty() && !text.empty()) return refuse(op, "a text too many");
        if (text.size() > kMaxText) return refuse(op, "a text longer than 64 KiB");
        // The interpreter works on C strings: a NUL would hide the rest.
        if (text.find('\0') != std::string::npos) return refuse(op, "a NUL in a text");
        if (i < info.paths) TRY_VOID(check_path(op, info.text[i], text));
    }
    for (std::size_t i = 0; i < op.number.size(); ++i) {
        if (info.number[i].empty() && op.number[i] != 0) return refuse(op, "a number too many");
    }
    if (op.blob.size() > kMaxBlob) return refuse(op, "a blob longer than 64 KiB");
    const bool takes_blob =
        op.kind == JSV_OP_IDS || op.kind == JSV_OP_SECCOMP || op.kind == JSV_OP_SECCOMP_MAIN;
    if (!takes_blob && !op.blob.empty()) return refuse(op, "takes no blob");
    return {};
}

bool in_range(std::uint64_t twos_complement, std::int64_t low, std::int64_t high) {
    // A plugin may have widened an int or an uint32_t: both spellings of -5 are meant.
    auto value = std::bit_cast<std::int64_t>(twos_complement);
    if (value > INT32_MAX && value <= UINT32_MAX) value -= std::int64_t{1} << 32;
    return value >= low && value <= high;
}

/// "0 100000 65536" lines, as user_namespaces(7) has them.
bool is_id_map(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789 \t\n") == std::string_view::npos;
}

/// Whether a map leads to numbers below 65536 only.
bool is_within_range(const std::string& map) {
    std::istringstream lines(map);
    std::uint64_t first = 0, outside = 0, count = 0;
    while (lines >> first >> outside >> count) {
        if (outside >= kRangeSize || count > kRangeSize - outside) return false;
    }
    return lines.eof();
}

bool is_sysctl(std::string_view name) {
    return !name.empty() && !name.starts_with('/') && !has_dots(name) && name.size() <= kMaxPath;
}

/// "memory.max": a controller's file. The core's own, cgroup.procs and its like, are no plugin's.
bool is_controller_file(std::string_view file) {
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_.";
    const std::size_t dot = file.find('.');
    return dot != 0 && dot != std::string_view::npos && dot + 1 < file.size() &&
           file.size() <= kMaxCgroupText && !file.starts_with("cgroup.") &&
           file.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_port(std::uint64_t number) {
    return number > 0 && number <= UINT16_MAX;
}

/// A line without blanks: it becomes one of the proxy's list. What it means the proxy says.
bool is_destination(std::string_view text) {
    return !text.empty() && text.size() <= kMaxDestination &&
           std::ranges::none_of(
               text, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

bool is_protocol(std::uint64_t number) {
    return number == IPPROTO_TCP || number == IPPROTO_UDP;
}

Result<void> check_pressure(const Op& op) {
    constexpr std::string_view kFiles[] = {"memory.pressure", "cpu.pressure", "io.pressure"};
    if (std::ranges::find(kFiles, op.text[0]) == std::end(kFiles)) {
        return refuse(op, "no file of pressure");
    }
    std::istringstream words(op.text[1]);
    std::string kind;
    std::uint64_t waiting = 0;
    std::uint64_t window = 0;
    const bool whole = (words >> kind >> waiting >> window) && (words >> std::ws).eof();
    if (!whole || (kind != "some" && kind != "full") || waiting == 0 || waiting > window) {
        return refuse(op, "the trigger is not \"some\" or \"full\" and two numbers");
    }
    const bool signals = op.number[0] == JSV_PRESSURE_SIGNAL;
    if (op.number[0] > JSV_PRESSURE_SIGNAL || (op.number[1] != 0) != signals ||
        op.number[1] >= NSIG) {
        return refuse(op, "unknown action, or a signal without a number");
    }
    return {};
}

Result<void> check_ids(const Op& op) {
    constexpr std::uint64_t kNobody = UINT32_MAX;  // (uid_t)-1 means "leave it as it is"
    if (op.blob.size() % sizeof(std::uint32_t) != 0) return refuse(op, "groups cut short");
    if (op.blob.size() / sizeof(std::uint32_t) > kMaxGroups) return refuse(op, "too many groups");
    if (op.number[0] >= kNobody || op.number[1] >= kNobody) {
        return refuse(op, "uid or gid out of range");
    }
    return {};
}

/// The file system's part is probed by what no ruleset may allow: making a block device.
Result<void> check_landlock(const Op& op) {
    const bool known = (op.number[0] & ~landlock::kAllFs) == 0 &&
                       (op.number[1] & ~landlock::kAllNet) == 0 &&
                       (op.number[2] & ~landlock::kAllScopes) == 0;
    if (!known) return refuse(op, "unknown rights");
    if ((op.number[0] | op.number[1] | op.number[2]) == 0) return refuse(op, "handles nothing");
    const bool signals_only = op.number[2] == landlock::kScopeSignals;
    if ((op.number[0] != 0 && (op.number[0] & landlock::kMakeBlock) == 0) || signals_only) {
        return refuse(op, "cannot be probed: make_block belongs to fs, abstract_sockets to scope");
    }
    return {};
}

Result<void> check_credential(const Op& op) {
    if (!is_credential_name(op.text[0])) {
        return refuse(op, fmt::format("\"{}\" is no name; use 1 to 64 letters, digits and _-., of "
                                      "which the last two come later",
                                      op.text[0].substr(0, 100)));
    }
    if (op.number[0] > JSV_CREDENTIAL_COMMAND) return refuse(op, "comes from nowhere known");
    const bool command = op.number[0] == JSV_CREDENTIAL_COMMAND;
    return check_path(op, "source",
                      command ? op.text[1].substr(0, op.text[1].find(' ')) : op.text[1]);
}

/// The kernel checks jumps and loads. What it allows and we do not: an answer that a supervisor or
/// tracer gives. A filter that asks would be answered by whoever holds its listener, and would
/// override the gate that an exec waits at (linux/seccomp.h, SECCOMP_USER_NOTIF_FLAG_CONTINUE). A
/// filter that learns is no barrier and has no such gate.
Result<void> check_filter(const Op& op) {
    const bool learns = (op.flags & JSV_SECCOMP_LEARN) != 0;
    if (learns && (op.flags & JSV_SECCOMP_EXEC_ONCE) != 0) {
        return refuse(op, "a filter that learns cannot keep a program from executing others");
    }
    const std::size_t count = op.blob.size() / sizeof(sock_filter);
    if (op.blob.size() % sizeof(sock_filter) != 0) return refuse(op, "an instruction cut short");
    if (count == 0 || count > BPF_MAXINSNS) {
        return refuse(op, fmt::format("{} instructions; 1 to {} are possible; make fewer promises",
                                      count, BPF_MAXINSNS));
    }
    for (std::size_t i = 0; i < count; ++i) {
        sock_filter instruction{};
        std::memcpy(&instruction, op.blob.data() + i * sizeof instruction, sizeof instruction);
        if (BPF_CLASS(instruction.code) != BPF_RET) continue;
        if (BPF_RVAL(instruction.code) != BPF_K) return refuse(op, "a verdict that is not fixed");
        const std::uint32_t action = instruction.k & SECCOMP_RET_ACTION_FULL;
        const bool asks = action == SECCOMP_RET_USER_NOTIF && !learns;
        if (asks || action == SECCOMP_RET_TRACE) {
            return refuse(op, "a verdict that is left to another process");
        }
    }
    return {};
}

/// What the table cannot say: ranges and forms.
Result<void> check_values(const Op& op) {
    const auto demand = [&](bool holds, std::string_view why) -> Result<void> {
        if (!holds) return refuse(op, why);
        return {};
    };
    switch (op.kind) {
        case JSV_OP_HOST_DIRECTORY:
            TRY_VOID(demand(op.text[0] != "/", "the root directory is nobody's to make"));
            return demand(op.number[0] <= kModeBits, "mode out of range");
        case JSV_OP_CGROUP:
            TRY_VOID(demand(is_controller_file(op.text[0]), "no file of a controller"));
            return demand(!op.text[1].empty() && op.text[1].size() <= kMaxCgroupText &&
                              op.text[1].find('\n') == std::string::npos,
                          "the value is no line of 1 to 255 bytes");
        case JSV_OP_PRESSURE:
            return check_pressure(op);
        case JSV_OP_DEVICES:
            return demand((op.text[0].empty() && op.text[1].empty()) ||
                              cgroup::parse_rule(op.text[0], op.text[1]),
                          "no device and access such as \"c 10:229\" and \"rw\"");
        case JSV_OP_NAMESPACE:
            return demand(
                std::has_single_bit(op.number[0]) && (op.number[0] & ~kNamespaceTypes) == 0,
                "type is not one CLONE_NEW* flag");
        case JSV_OP_ID_MAP:
            TRY_VOID(demand(is_id_map(op.text[0]) && is_id_map(op.text[1]),
                            "maps are lines of three numbers"));
            return demand((op.flags & JSV_ID_MAP_OWN) == 0 ||
                              (is_within_range(op.text[0]) && is_within_range(op.text[1])),
                          "a range of the unit's own has 65536 ids");
        case JSV_OP_NETWORK:
            TRY_VOID(demand(op.number[0] <= JSV_NET_PRIVATE, "unknown kind of network"));
            return demand(
                (op.number[0] == JSV_NET_PRIVATE) == NetRange::parse(op.text[0]).has_value(),
                "a private network, and only that, has a range such as 10.213.0.0/16");
        case JSV_OP_NETWORK_JOIN:
            return demand(config::is_unit_name(op.text[0]), "not a unit's name");
        case JSV_OP_NET_EDGE:
            TRY_VOID(demand(config::is_unit_name(op.text[0]), "not a unit's name"));
            return demand(is_port(op.number[0]) && is_protocol(op.number[1]),
                          "no port or protocol");
        case JSV_OP_NET_FORWARD:
            return demand(
                is_port(op.number[0]) && is_port(op.number[1]) && is_protocol(op.number[2]),
                "no port or protocol");
        case JSV_OP_EGRESS:
            TRY_VOID(demand(is_destination(op.text[0]), "no destination"));
            return demand(is_port(op.number[0]), "no port");
        case JSV_OP_HOSTNAME:
            return demand(!op.text[0].empty() && op.text[0].size() <= kMaxHostname,
                          "1 to 64 bytes are needed");
        case JSV_OP_TMPFS:
            return demand(op.number[1] <= kModeBits, "mode out of range");
        case JSV_OP_PROC:
            return demand(op.number[0] <= 2, "hidepid is 0, 1 or 2");
        case JSV_OP_SYSCTL:
            return demand(is_sysctl(op.text[0]), "not a path below /proc/sys");
        case JSV_OP_CREDENTIALS:
            TRY_VOID(demand(op.text[0] != "/", "the root directory holds more than credentials"));
            return demand(op.number[0] <= kMaxCommandNs, "the time for a command is above 300 s");
        case JSV_OP_CREDENTIAL:
            return check_credential(op);
        case JSV_OP_RLIMIT:
            TRY_VOID(demand(op.number[0] < RLIM_NLIMITS, "unknown limit"));
            return demand(op.number[1] <= op.number[2], "the soft limit is above the hard one");
        case JSV_OP_NICE:
            return demand(in_range(op.number[0], -20, 19), "-20 to 19 are possible");
        case JSV_OP_OOM_SCORE:
            return demand(in_range(op.number[0], -1000, 1000), "-1000 to 1000 are possible");
        case JSV_OP_UMASK:
            return demand(op.number[0] <= kMaskBits, "out of range");
        case JSV_OP_ENVIRONMENT:
            return demand(!op.text[0].empty() && op.text[0].find('=') == std::string::npos,
                          "a name is not empty and has no '='");
        case JSV_OP_IDS:
            return check_ids(op);
        case JSV_OP_CAPABILITIES:
            // capabilities(7): no capability is ambient that is not permitted and inheritable too.
            return demand((op.number[2] & ~op.number[1]) == 0,
                          "ambient ones must be permitted too");
        case JSV_OP_SECUREBITS:
            return demand(op.number[0] <= kSecureBits, "unknown bits");
        case JSV_OP_LANDLOCK:
            return check_landlock(op);
        case JSV_OP_LANDLOCK_PATH:
            return demand((op.number[0] & ~landlock::kAllFs) == 0 &&
                              (op.number[0] & landlock::kMakeBlock) == 0,
                          "rights that no rule may allow");
        case JSV_OP_LANDLOCK_PORT:
            return demand(op.number[0] <= UINT16_MAX && (op.number[1] & ~landlock::kAllNet) == 0,
                          "port or rights out of range");
        case JSV_OP_SECCOMP:
        case JSV_OP_SECCOMP_MAIN:
            TRY_VOID(demand(op.number[0] <= UINT32_MAX, "own_pid out of range"));
            return check_filter(op);
        case JSV_OP_ROOT:
        case JSV_OP_BIND:
        case JSV_OP_DEV:
        case JSV_OP_DEVICE:
        case JSV_OP_MASK:
        case JSV_OP_READ_ONLY:
        case JSV_OP_FILE:
        case JSV_OP_VIEW:
        case JSV_OP_REVEAL:
        case JSV_OP_SYSFS:
        case JSV_OP_CHDIR:
        case JSV_OP_SESSION:
        case JSV_OP_NO_NEW_PRIVS:
            return {};
    }
    return fail("unknown kind of operation");
}

/// Kinds that make no sense twice: two plugins would be at odds over the one value.
bool is_single(jsv_kind kind) {
    return kind == JSV_OP_ROOT || kind == JSV_OP_HOSTNAME || kind == JSV_OP_ID_MAP ||
           kind == JSV_OP_IDS || kind == JSV_OP_CAPABILITIES || kind == JSV_OP_SECUREBITS ||
           kind == JSV_OP_NETWORK || kind == JSV_OP_LANDLOCK || kind == JSV_OP_VIEW ||
           kind == JSV_OP_NETWORK_JOIN || kind == JSV_OP_SECCOMP || kind == JSV_OP_SECCOMP_MAIN ||
           kind == JSV_OP_CREDENTIALS;
}

bool needs_root(const Op& op) {
    return op.stage == JSV_STAGE_MOUNTS && op.kind != JSV_OP_HOSTNAME && op.kind != JSV_OP_SYSCTL;
}

/// Within a stage: the root before the mounts in it, the view of them after all; and the last locks
/// in the order of their kinds, which is that of DESIGN §6: a filter of system calls would refuse
/// what comes after it.
unsigned turn(const Op& op) {
    if (op.stage == JSV_STAGE_LOCKDOWN) return static_cast<unsigned>(op.kind);
    if (op.kind == JSV_OP_ROOT) return 0;
    if (op.kind == JSV_OP_VIEW) return 2;  // the core's, too, show something in it
    return op.kind == JSV_OP_REVEAL ? 3 : 1;
}

std::tuple<jsv_stage, unsigned, std::string_view> rank(const Op& op) {
    return {op.stage, turn(op), op.plugin};
}

}  // namespace

Result<void> check_op(const Op& op) {
    const KindInfo* info = find_kind(op.kind);
    if (info == nullptr) {
        return fail(fmt::format("unknown kind of operation {}", static_cast<unsigned>(op.kind)));
    }
    TRY_VOID(check_fields(op, *info));
    return check_values(op);
}

Result<void> check_plan(const Plan& plan) {
    if (plan.unit.empty() || plan.unit.size() > kMaxUnitName) return fail("no unit's name");
    if (plan.ops.size() > kMaxOps) return fail(fmt::format("more than {} operations", kMaxOps));
    const std::uint64_t namespaces = plan.namespace_flags();
    std::set<jsv_kind> single;
    jsv_stage stage = JSV_STAGE_PARENT;
    for (const Op& op : plan.ops) {
        const auto in_plugin = [&](Result<void> checked) -> Result<void> {
            if (!checked) return fail_in(op.plugin, std::move(checked).error());
            return {};
        };
        TRY_VOID(in_plugin(check_op(op)));
        if (op.plugin.empty()) return refuse(op, "no plugin owns it");
        if (op.stage < stage) return in_plugin(refuse(op, "out of order"));
        stage = op.stage;
        if (needs_root(op) && op.kind != JSV_OP_ROOT && !single.contains(JSV_OP_ROOT)) {
            return in_plugin(
                refuse(op, "a mount without a root to put it in; set jail.chroot.mode"));
        }
        const bool rule = op.kind == JSV_OP_LANDLOCK_PATH || op.kind == JSV_OP_LANDLOCK_PORT;
        if (rule && !single.contains(JSV_OP_LANDLOCK)) {
            return in_plugin(refuse(op, "a rule without a ruleset before it"));
        }
        if (op.kind == JSV_OP_REVEAL && !single.contains(JSV_OP_VIEW)) {
            return in_plugin(refuse(op, "there is no view to show it in"));
        }
        const bool late = single.contains(JSV_OP_VIEW) && op.stage == JSV_STAGE_MOUNTS;
        if (late && op.kind != JSV_OP_REVEAL && op.kind != JSV_OP_VIEW) {
            return in_plugin(refuse(op, "comes after the view, which would not show it"));
        }
        if (is_single(op.kind) && !single.insert(op.kind).second) {
            return in_plugin(refuse(op, "a second one; the jail has but one"));
        }
        if (op.kind == JSV_OP_SECCOMP &&
            std::ranges::find(plan.ops, JSV_OP_NO_NEW_PRIVS, &Op::kind) == plan.ops.end()) {
            return in_plugin(refuse(op, "a filter needs jail.identity.no_new_privileges = true"));
        }
        TRY_VOID(in_plugin(check_namespaces(op, namespaces)));
    }
    TRY_VOID(check_credentials(plan.ops));
    return check_relations(plan.ops);
}

void order_operations(std::vector<Op>& ops) {
    std::ranges::stable_sort(ops, {}, rank);
}

}  // namespace jailsvc::jailer
