// Plans as people and programs read them.

#include <fmt/format.h>
#include <linux/filter.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "jailer/child/landlock_rights.hpp"
#include "jailer/plan/plan.hpp"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80  // linux/sched.h; glibc 2.36 lacks it
#endif

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kShownText = 120;  ///< longer contents are cut in the line for people
constexpr std::string_view kHidden = "(hidden)";

struct Named {
    std::uint64_t value;
    std::string_view name;
};

constexpr Named kNamespaces[] = {
    {CLONE_NEWPID, "pid"},   {CLONE_NEWNS, "mount"},      {CLONE_NEWIPC, "ipc"},
    {CLONE_NEWUTS, "uts"},   {CLONE_NEWNET, "net"},       {CLONE_NEWUSER, "user"},
    {CLONE_NEWTIME, "time"}, {CLONE_NEWCGROUP, "cgroup"},
};
constexpr Named kNetworks[] = {
    {JSV_NET_NONE, "none"}, {JSV_NET_LOOPBACK, "loopback"}, {JSV_NET_PRIVATE, "private"}};
constexpr Named kCredentials[] = {{JSV_CREDENTIAL_FILE, "file"},
                                  {JSV_CREDENTIAL_ENCRYPTED, "encrypted"},
                                  {JSV_CREDENTIAL_COMMAND, "command"}};
constexpr Named kProtocols[] = {{6, "tcp"}, {17, "udp"}};
constexpr Named kLimits[] = {
    {RLIMIT_CPU, "cpu"},           {RLIMIT_FSIZE, "fsize"},
    {RLIMIT_DATA, "data"},         {RLIMIT_STACK, "stack"},
    {RLIMIT_CORE, "core"},         {RLIMIT_RSS, "rss"},
    {RLIMIT_NPROC, "nproc"},       {RLIMIT_NOFILE, "nofile"},
    {RLIMIT_MEMLOCK, "memlock"},   {RLIMIT_AS, "as"},
    {RLIMIT_LOCKS, "locks"},       {RLIMIT_SIGPENDING, "sigpending"},
    {RLIMIT_MSGQUEUE, "msgqueue"}, {RLIMIT_NICE, "nice"},
    {RLIMIT_RTPRIO, "rtprio"},     {RLIMIT_RTTIME, "rttime"},
};
constexpr Named kMountFlags[] = {
    {JSV_MOUNT_READ_ONLY, "ro"},  {JSV_MOUNT_NOSUID, "nosuid"}, {JSV_MOUNT_NODEV, "nodev"},
    {JSV_MOUNT_NOEXEC, "noexec"}, {JSV_MOUNT_CREATE, "create"}, {JSV_MOUNT_OPTIONAL, "if_present"},
    {JSV_MOUNT_IDMAP, "idmap"},
};
constexpr Named kLandlockFs[] = {
    {landlock::kExecute, "execute"},          {landlock::kWriteFile, "write_file"},
    {landlock::kReadFile, "read_file"},       {landlock::kReadDir, "read_dir"},
    {landlock::kRemoveDir, "remove_dir"},     {landlock::kRemoveFile, "remove_file"},
    {landlock::kMakeChar, "make_char"},       {landlock::kMakeDir, "make_dir"},
    {landlock::kMakeReg, "make_reg"},         {landlock::kMakeSock, "make_sock"},
    {landlock::kMakeFifo, "make_fifo"},       {landlock::kMakeBlock, "make_block"},
    {landlock::kMakeSym, "make_sym"},         {landlock::kRefer, "refer"},
    {landlock::kTruncate, "truncate"},        {landlock::kIoctlDev, "ioctl_dev"},
    {landlock::kResolveUnix, "resolve_unix"},
};
constexpr Named kLandlockNet[] = {{landlock::kBindTcp, "bind_tcp"},
                                  {landlock::kConnectTcp, "connect_tcp"},
                                  {landlock::kBindUdp, "bind_udp"},
                                  {landlock::kConnectUdp, "connect_udp"}};
constexpr Named kLandlockScopes[] = {{landlock::kScopeAbstractSockets, "abstract_sockets"},
                                     {landlock::kScopeSignals, "signals"}};
constexpr Named kLandlockFlags[] = {{JSV_LANDLOCK_SCOPE_IF_KNOWN, "if_known"}};
constexpr Named kDeviceFlags[] = {{JSV_DEVICES_DEFAULT, "default"}};
constexpr Named kPressureActions[] = {{JSV_PRESSURE_LOG, "log"},
                                      {JSV_PRESSURE_RESTART, "restart"},
                                      {JSV_PRESSURE_STOP, "stop"},
                                      {JSV_PRESSURE_SIGNAL, "signal"}};
constexpr Named kDirectoryFlags[] = {{JSV_DIR_RECREATE, "recreate"}};
constexpr Named kIdFlags[] = {{JSV_IDS_DYNAMIC, "dynamic"}};
constexpr Named kMapFlags[] = {{JSV_ID_MAP_OWN, "own_range"}};
constexpr Named kEnvironmentFlags[] = {{JSV_ENV_SECRET, "secret"}};
constexpr Named kFilterFlags[] = {{JSV_SECCOMP_EXEC_ONCE, "exec_once"},
                                  {JSV_SECCOMP_NO_UNIX_SOCKETS, "no_unix_sockets"},
                                  {JSV_SECCOMP_LEARN, "learn"}};

std::span<const Named> flags_of(jsv_kind kind) {
    if (kind == JSV_OP_HOST_DIRECTORY) return kDirectoryFlags;
    if (kind == JSV_OP_DEVICES) return kDeviceFlags;
    if (kind == JSV_OP_IDS) return kIdFlags;
    if (kind == JSV_OP_ID_MAP) return kMapFlags;
    if (kind == JSV_OP_ENVIRONMENT) return kEnvironmentFlags;
    if (kind == JSV_OP_LANDLOCK) return kLandlockFlags;
    if (kind == JSV_OP_SECCOMP) return kFilterFlags;
    return kMountFlags;
}

std::string name_of(std::span<const Named> names, std::uint64_t value) {
    for (const Named& entry : names) {
        if (entry.value == value) return std::string(entry.name);
    }
    return fmt::format("{}", value);
}

/// "read_file+read_dir", "all" or "none".
std::string set_text(std::span<const Named> names, std::uint64_t value) {
    std::string out;
    bool all = true;
    for (const Named& entry : names) {
        const bool held = (value & entry.value) != 0;
        all = all && held;
        if (held) out += fmt::format("{}{}", out.empty() ? "" : "+", entry.name);
    }
    if (out.empty()) return "none";
    return all ? "all" : out;
}

/// A number as one would write it: modes in octal, sets of capabilities in hexadecimal.
std::string number_text(const Op& op, std::size_t i, std::string_view field) {
    const std::uint64_t value = op.number[i];
    if (field == "mode" || field == "mask") return fmt::format("{:04o}", value);
    if (field == "own_pid") return fmt::format("{:#x}", value);
    if (field == "type") return name_of(kNamespaces, value);
    if (field == "action") return name_of(kPressureActions, value);
    if (field == "interfaces") return name_of(kNetworks, value);
    if (field == "from") return name_of(kCredentials, value);
    if (field == "protocol") return name_of(kProtocols, value);
    if (field == "limit") return name_of(kLimits, value);
    if (field == "fs") return set_text(kLandlockFs, value);
    if (field == "net") return set_text(kLandlockNet, value);
    if (field == "scope") return set_text(kLandlockScopes, value);
    if (field == "value") return fmt::format("{}", std::bit_cast<std::int64_t>(value));
    if (op.kind == JSV_OP_CAPABILITIES) return fmt::format("{:x}", value);
    if (op.kind == JSV_OP_RLIMIT && value == RLIM_INFINITY) return "infinity";
    return fmt::format("{}", value);
}

/// Control bytes escaped, so that no text of a unit reaches a terminal as a command; blanks kept
/// visible by quotes.
std::string shown(std::string_view text) {
    const std::string_view head = text.substr(0, kShownText);
    std::string out;
    bool quote = text.empty();
    for (const char byte : head) {
        const auto code = static_cast<unsigned char>(byte);
        quote = quote || byte == ' ';
        if (byte == '\n') {
            out += "\\n";
        } else if (code < 0x20 || code == 0x7f) {
            out += fmt::format("\\x{:02x}", code);
        } else {
            out += byte;
        }
    }
    if (head.size() < text.size()) out += "…";
    return quote ? "\"" + out + "\"" : out;
}

bool is_filter(const Op& op) {
    return op.kind == JSV_OP_SECCOMP || op.kind == JSV_OP_SECCOMP_MAIN;
}

bool is_hidden(const Op& op, std::size_t text) {
    return op.kind == JSV_OP_ENVIRONMENT && text == 1 && (op.flags & JSV_ENV_SECRET) != 0;
}

std::vector<std::uint32_t> groups_of(const Op& op) {
    std::vector<std::uint32_t> groups(op.blob.size() / sizeof(std::uint32_t));
    std::ranges::copy_n(op.blob.data(),
                        static_cast<std::ptrdiff_t>(groups.size() * sizeof(std::uint32_t)),
                        reinterpret_cast<char*>(groups.data()));
    return groups;
}

nlohmann::json operation_json(const Op& op) {
    const KindInfo& info = *find_kind(op.kind);
    nlohmann::json json{{"stage", stage_name(op.stage)},
                        {"operation", info.name},
                        {"plugin", op.plugin},
                        {"optional", op.optional},
                        {"line", to_line(op)}};
    for (std::size_t i = 0; i < op.text.size(); ++i) {
        if (info.text[i].empty()) continue;
        json[std::string(info.text[i])] = is_hidden(op, i) ? std::string(kHidden) : op.text[i];
    }
    for (std::size_t i = 0; i < op.number.size(); ++i) {
        if (!info.number[i].empty()) {
            json[std::string(info.number[i])] = number_text(op, i, info.number[i]);
        }
    }
    json["flags"] = nlohmann::json::array();
    for (const Named& flag : flags_of(op.kind)) {
        if ((op.flags & flag.value) != 0) json["flags"].push_back(flag.name);
    }
    if (op.kind == JSV_OP_IDS) json["groups"] = groups_of(op);
    if (is_filter(op)) json["instructions"] = op.blob.size() / sizeof(sock_filter);
    return json;
}

/// The environment as `collect_environment` makes it, secrets hidden.
std::vector<std::string> shown_environment(const Plan& plan) {
    Plan copy{.unit = plan.unit, .digest = {}, .ops = {}, .environment = {}};
    for (const Op& op : plan.ops) {
        if (op.kind != JSV_OP_ENVIRONMENT) continue;
        copy.ops.push_back(op);
        if (is_hidden(op, 1)) copy.ops.back().text[1] = kHidden;
    }
    return collect_environment(copy);
}

}  // namespace

std::string to_line(const Op& op) {
    const KindInfo* info = find_kind(op.kind);
    if (info == nullptr) return fmt::format("unknown operation {}", static_cast<unsigned>(op.kind));
    std::string line = fmt::format("{:<11} {:<16}", stage_name(op.stage), info->name);
    for (std::size_t i = 0; i < op.text.size(); ++i) {
        // Of an operation's own values an empty one says something; else it says there is none.
        const bool says = op.kind == JSV_OP_ENVIRONMENT || op.kind == JSV_OP_FILE;
        if (info->text[i].empty() || (op.text[i].empty() && !says)) continue;
        line +=
            fmt::format(" {}={}", info->text[i], is_hidden(op, i) ? kHidden : shown(op.text[i]));
    }
    const bool dynamic = op.kind == JSV_OP_IDS && (op.flags & JSV_IDS_DYNAMIC) != 0;
    for (std::size_t i = 0; i < op.number.size() && !dynamic; ++i) {
        if (info->number[i].empty()) continue;
        line += fmt::format(" {}={}", info->number[i], number_text(op, i, info->number[i]));
    }
    if (const auto groups = groups_of(op); op.kind == JSV_OP_IDS && !groups.empty()) {
        line += fmt::format(" groups={}", fmt::join(groups, ","));
    }
    if (is_filter(op)) {
        line += fmt::format(" instructions={}", op.blob.size() / sizeof(sock_filter));
    }
    for (const Named& flag : flags_of(op.kind)) {
        if ((op.flags & flag.value) != 0) line += fmt::format(" {}", flag.name);
    }
    return line + fmt::format("  ({}{})", op.plugin, op.optional ? ", optional" : "");
}

std::string to_json(const Plan& plan, const std::vector<std::string>& sockets) {
    nlohmann::json json{{"unit", plan.unit},
                        {"digest", to_hex(plan.digest)},
                        {"environment", shown_environment(plan)},
                        {"sockets", sockets},
                        {"operations", nlohmann::json::array()}};
    for (const Op& op : plan.ops) {
        if (find_kind(op.kind) != nullptr) json["operations"].push_back(operation_json(op));
    }
    // Bytes of a unit need not be UTF-8; a plan is printed all the same.
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace jailsvc::jailer
