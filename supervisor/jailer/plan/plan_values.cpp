#include "jailer/plan/plan_values.hpp"

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
#include <sstream>

#include "config/names.hpp"
#include "jailer/cgroup/devices.hpp"
#include "jailer/child/landlock_rights.hpp"
#include "jailer/net/addresses.hpp"
#include "jailer/plan/credential_access.hpp"
#include "jailer/plan/credential_limits.hpp"
#include "jailer/plan/id_range.hpp"
#include "jailer/plan/plan_check.hpp"
#include "jailer/plan/plan_relations.hpp"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80  // linux/sched.h; glibc 2.36 lacks it
#endif

namespace jailsvc::jailer {
namespace {

constexpr std::uint64_t kNamespaceTypes = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
                                          CLONE_NEWNET | CLONE_NEWUSER | CLONE_NEWTIME |
                                          CLONE_NEWCGROUP;
constexpr std::uint64_t kModeBits = 07777;
constexpr std::uint64_t kMaskBits = 0777;
constexpr std::uint64_t kSecureBits = 0xff;  ///< capabilities(7): four bits and their locks
constexpr std::size_t kMaxHostname = 64;     ///< uname(2)
constexpr std::size_t kMaxCgroupText = 255;  ///< NAME_MAX; a value is a line at most
constexpr std::size_t kMaxGroups = kMaxBlob / sizeof(std::uint32_t);
constexpr std::size_t kMaxDestination = 1024;  ///< of UTF-8, and a port [bytes]
constexpr std::size_t kMaxPath = 4095;         ///< PATH_MAX without its NUL

bool has_dots(std::string_view path) {
    return path == ".." || path.starts_with("../") || path.ends_with("/..") ||
           path.find("/../") != std::string_view::npos;
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

bool is_cgroup_line(const std::string& value) {
    return !value.empty() && value.size() <= kMaxCgroupText &&
           value.find('\n') == std::string::npos;
}

bool is_device_rule(const Op& op) {
    return (op.text[0].empty() && op.text[1].empty()) ||
           cgroup::parse_rule(op.text[0], op.text[1]).has_value();
}

/// A demand on the operations of one kind; there may be several, checked in this order.
struct Rule {
    jsv_kind kind;
    bool (*holds)(const Op& op);
    std::string_view why;
};
constexpr Rule kRules[] = {
    {JSV_OP_HOST_DIRECTORY, [](const Op& op) { return op.text[0] != "/"; },
     "the root directory is nobody's to make"},
    {JSV_OP_HOST_DIRECTORY, [](const Op& op) { return op.number[0] <= kModeBits; },
     "mode out of range"},
    {JSV_OP_CGROUP, [](const Op& op) { return is_controller_file(op.text[0]); },
     "no file of a controller"},
    {JSV_OP_CGROUP, [](const Op& op) { return is_cgroup_line(op.text[1]); },
     "the value is no line of 1 to 255 bytes"},
    {JSV_OP_DEVICES, [](const Op& op) { return is_device_rule(op); },
     "no device and access such as \"c 10:229\" and \"rw\""},
    {JSV_OP_NAMESPACE,
     [](const Op& op) {
         return std::has_single_bit(op.number[0]) && (op.number[0] & ~kNamespaceTypes) == 0;
     },
     "type is not one CLONE_NEW* flag"},
    {JSV_OP_ID_MAP, [](const Op& op) { return is_id_map(op.text[0]) && is_id_map(op.text[1]); },
     "maps are lines of three numbers"},
    {JSV_OP_ID_MAP,
     [](const Op& op) {
         return (op.flags & JSV_ID_MAP_OWN) == 0 ||
                (is_within_range(op.text[0]) && is_within_range(op.text[1]));
     },
     "a range of the unit's own has 65536 ids"},
    {JSV_OP_NETWORK, [](const Op& op) { return op.number[0] <= JSV_NET_PRIVATE; },
     "unknown kind of network"},
    {JSV_OP_NETWORK,
     [](const Op& op) {
         return (op.number[0] == JSV_NET_PRIVATE) == NetRange::parse(op.text[0]).has_value();
     },
     "a private network, and only that, has a range such as 10.213.0.0/16"},
    {JSV_OP_NETWORK_JOIN, [](const Op& op) { return config::is_unit_name(op.text[0]); },
     "not a unit's name"},
    {JSV_OP_NET_EDGE, [](const Op& op) { return config::is_unit_name(op.text[0]); },
     "not a unit's name"},
    {JSV_OP_NET_EDGE,
     [](const Op& op) { return is_port(op.number[0]) && is_protocol(op.number[1]); },
     "no port or protocol"},
    {JSV_OP_NET_FORWARD,
     [](const Op& op) {
         return is_port(op.number[0]) && is_port(op.number[1]) && is_protocol(op.number[2]);
     },
     "no port or protocol"},
    {JSV_OP_EGRESS,
     [](const Op& op) { return is_destination(op.text[0]) && is_port(op.number[0]); },
     "no destination or port"},
    {JSV_OP_HOSTNAME,
     [](const Op& op) { return !op.text[0].empty() && op.text[0].size() <= kMaxHostname; },
     "1 to 64 bytes are needed"},
    {JSV_OP_TMPFS, [](const Op& op) { return op.number[1] <= kModeBits; }, "mode out of range"},
    {JSV_OP_PROC, [](const Op& op) { return op.number[0] <= 2; }, "hidepid is 0, 1 or 2"},
    {JSV_OP_SYSCTL, [](const Op& op) { return is_sysctl(op.text[0]); },
     "not a path below /proc/sys"},
    {JSV_OP_CREDENTIALS, [](const Op& op) { return op.text[0] != "/"; },
     "the root directory holds more than credentials"},
    {JSV_OP_CREDENTIALS, [](const Op& op) { return op.number[0] <= kMaxCommandNs; },
     "the time for a command is above 300 s"},
    {JSV_OP_RLIMIT, [](const Op& op) { return op.number[0] < RLIM_NLIMITS; }, "unknown limit"},
    {JSV_OP_RLIMIT, [](const Op& op) { return op.number[1] <= op.number[2]; },
     "the soft limit is above the hard one"},
    {JSV_OP_NICE, [](const Op& op) { return in_range(op.number[0], -20, 19); },
     "-20 to 19 are possible"},
    {JSV_OP_OOM_SCORE, [](const Op& op) { return in_range(op.number[0], -1000, 1000); },
     "-1000 to 1000 are possible"},
    {JSV_OP_UMASK, [](const Op& op) { return op.number[0] <= kMaskBits; }, "out of range"},
    {JSV_OP_ENVIRONMENT,
     [](const Op& op) { return !op.text[0].empty() && op.text[0].find('=') == std::string::npos; },
     "a name is not empty and has no '='"},
    // capabilities(7): no capability is ambient that is not permitted and inheritable too.
    {JSV_OP_CAPABILITIES, [](const Op& op) { return (op.number[2] & ~op.number[1]) == 0; },
     "ambient ones must be permitted too"},
    {JSV_OP_SECUREBITS, [](const Op& op) { return op.number[0] <= kSecureBits; }, "unknown bits"},
    {JSV_OP_LANDLOCK_PATH,
     [](const Op& op) {
         return (op.number[0] & ~landlock::kAllFs) == 0 &&
                (op.number[0] & landlock::kMakeBlock) == 0;
     },
     "rights that no rule may allow"},
    {JSV_OP_LANDLOCK_PORT,
     [](const Op& op) {
         return op.number[0] <= UINT16_MAX && (op.number[1] & ~landlock::kAllNet) == 0;
     },
     "port or rights out of range"},
    {JSV_OP_SECCOMP, [](const Op& op) { return op.number[0] <= UINT32_MAX; },
     "own_pid out of range"},
    {JSV_OP_SECCOMP_MAIN, [](const Op& op) { return op.number[0] <= UINT32_MAX; },
     "own_pid out of range"},
};

/// Of kinds whose form takes more than a line.
constexpr struct Form {
    jsv_kind kind;
    Result<void> (*check)(const Op& op);
} kForms[] = {
    {JSV_OP_PRESSURE, check_pressure}, {JSV_OP_CREDENTIAL, check_credential},
    {JSV_OP_IDS, check_ids},           {JSV_OP_LANDLOCK, check_landlock},
    {JSV_OP_SECCOMP, check_filter},    {JSV_OP_SECCOMP_MAIN, check_filter},
};

}  // namespace

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

Result<void> check_values(const Op& op) {
    for (const Rule& rule : kRules) {
        if (rule.kind == op.kind && !rule.holds(op)) return refuse(op, rule.why);
    }
    for (const Form& form : kForms) {
        if (form.kind == op.kind) TRY_VOID(form.check(op));
    }
    return {};
}

}  // namespace jailsvc::jailer
