#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>

#include "base/sys.hpp"
#include "jailer/jail/attest_landlock.hpp"
#include "jailer/jail/attest_mounts.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/jail/namespaces.hpp"
#include "jailer/jail/process_facts.hpp"

namespace jailsvc::jailer {
namespace {

using Verdict = std::optional<JailFailure>;

/// One attest of a program at its gate.
struct Attest {
    const Plan& plan;
    const ResolvedIds& ids;
    pid_t stub;
    pid_t program;
    const std::vector<FileIdentity>& passed;
    std::uint32_t evidence;
    ProcessFacts facts;
    std::string limits;
};

std::string join(const std::vector<std::uint32_t>& values) {
    return fmt::format("{}", fmt::join(values, " "));
}

std::vector<std::uint32_t> groups_of(const Op& op) {
    std::vector<std::uint32_t> groups(op.blob.size() / sizeof(std::uint32_t));
    if (!groups.empty()) std::memcpy(groups.data(), op.blob.data(), op.blob.size());
    return groups;
}

/// Real, effective, saved and file system id, all the wanted one. status counts as we do.
Verdict check_id(std::uint32_t index, const char* name, const std::array<std::uint32_t, 4>& seen,
                 std::optional<std::uint32_t> wanted) {
    if (!wanted) return not_held(index, fmt::format("{}: not mapped in the jail", name));
    if (std::ranges::all_of(seen, [&](std::uint32_t id) { return id == *wanted; })) {
        return std::nullopt;
    }
    return not_held(index, fmt::format("{} is {}, not {}", name, fmt::join(seen, " "), *wanted));
}

Verdict check_ids(const Attest& attest, std::uint32_t index, const Op& op) {
    const bool dynamic = (op.flags & JSV_IDS_DYNAMIC) != 0;
    const uid_t uid = dynamic ? attest.ids.uid : static_cast<uid_t>(op.number[0]);
    const gid_t gid = dynamic ? attest.ids.gid : static_cast<gid_t>(op.number[1]);
    if (auto verdict =
            check_id(index, "Uid", attest.facts.uids, host_uid(attest.plan, attest.ids, uid))) {
        return verdict;
    }
    if (auto verdict =
            check_id(index, "Gid", attest.facts.gids, host_gid(attest.plan, attest.ids, gid))) {
        return verdict;
    }
    std::vector<std::uint32_t> wanted;
    for (const std::uint32_t group : groups_of(op)) {
        wanted.push_back(host_gid(attest.plan, attest.ids, group).value_or(~0U));
    }
    std::ranges::sort(wanted);
    if (attest.facts.groups == wanted) return std::nullopt;
    return not_held(index, fmt::format("Groups is \"{}\", not \"{}\"", join(attest.facts.groups),
                                       join(wanted)));
}

/// Bits beyond what this kernel knows mean nothing to it.
std::uint64_t known_capabilities() {
    static const std::uint64_t known = [] {
        const auto last = sys::read_file("/proc/sys/kernel/cap_last_cap");
        const int number = last ? std::atoi(last->c_str()) : 63;
        return number >= 63 ? ~0ULL : (1ULL << (number + 1)) - 1;
    }();
    return known;
}

/// Less in the bounding set than allowed is no breach: we cannot give what we lack ourselves.
Verdict check_capabilities(const Attest& attest, std::uint32_t index, const Op& op) {
    const ProcessFacts& facts = attest.facts;
    if ((facts.bounding & ~op.number[0]) != 0) {
        return not_held(index,
                        fmt::format("CapBnd is {:x}, not {:x}", facts.bounding, op.number[0]));
    }
    const std::uint64_t ambient = op.number[2] & known_capabilities();
    const std::uint64_t permitted = (op.number[1] & known_capabilities()) | ambient;
    const std::tuple<const char*, std::uint64_t, std::uint64_t> sets[] = {
        {"CapPrm", facts.permitted, permitted},
        {"CapEff", facts.effective, permitted},
        {"CapInh", facts.inheritable, ambient},
        {"CapAmb", facts.ambient, ambient}};
    for (const auto& [name, seen, wanted] : sets) {
        if (seen == wanted) continue;
        return not_held(index, fmt::format("{} is {:x}, not {:x}", name, seen, wanted));
    }
    return std::nullopt;
}

Verdict check_limit(const Attest& attest, std::uint32_t index, const Op& op) {
    const auto seen = parse_limit(attest.limits, static_cast<unsigned>(op.number[0]));
    if (!seen) return not_held(index, seen.error().message);
    if (*seen == LimitPair{op.number[1], op.number[2]}) return std::nullopt;
    return not_held(index, fmt::format("limit {} is {}:{}, not {}:{}", op.number[0], seen->soft,
                                       seen->hard, op.number[1], op.number[2]));
}

Verdict check_equal(std::uint32_t index, const char* name, std::int64_t seen, std::int64_t wanted) {
    if (seen == wanted) return std::nullopt;
    return not_held(index, fmt::format("{} is {}, not {}", name, seen, wanted));
}

Verdict check_nice(const Attest& attest, std::uint32_t index, const Op& op) {
    errno = 0;
    const int seen = ::getpriority(PRIO_PROCESS, static_cast<id_t>(attest.program));
    if (seen == -1 && errno != 0) return failed(index, "getpriority", errno);
    return check_equal(index, "nice", seen, static_cast<std::int32_t>(op.number[0]));
}

Verdict check_oom_score(const Attest& attest, std::uint32_t index, const Op& op) {
    const auto text = sys::read_file(fmt::format("/proc/{}/oom_score_adj", attest.program));
    if (!text) return failed(index, "oom_score_adj", text.error().code);
    return check_equal(index, "oom_score_adj", std::atoi(text->c_str()),
                       static_cast<std::int32_t>(op.number[0]));
}

Verdict check_session(const Attest& attest, std::uint32_t index) {
    const pid_t session = ::getsid(attest.program);
    if (session == -1) return failed(index, "getsid", errno);
    return check_equal(index, "session", session, attest.program);
}

/// The filters that whatever started the jailer had put upon it, which every child inherits.
std::uint64_t inherited_filters() {
    static const std::uint64_t count = [] {
        const auto facts = read_process_facts(kStepIsolation, ::getpid());
        return facts ? facts->seccomp_filters : 0;
    }();
    return count;
}

/// What a filter says cannot be read back without tracing; that it is there can, and so that none
/// was left out. A gated exec has one of its own.
Verdict check_filter(const ProcessFacts& facts, std::uint32_t index, const Op& op,
                     std::uint64_t more = 0) {
    constexpr std::int64_t kFilterMode = 2;
    if (auto verdict = check_equal(index, "Seccomp", static_cast<std::int64_t>(facts.seccomp_mode),
                                   kFilterMode)) {
        return verdict;
    }
    const std::uint64_t own = (op.flags & JSV_SECCOMP_EXEC_ONCE) != 0 ? 2 : 1;
    return check_equal(index, "Seccomp_filters", static_cast<std::int64_t>(facts.seccomp_filters),
                       static_cast<std::int64_t>(inherited_filters() + own + more));
}

Jailed<struct statx> status_of(std::uint32_t op, const std::string& path) {
    struct statx status{};
    if (::statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS | STATX_MNT_ID, &status) == -1) {
        return std::unexpected(failed(op, path, errno));
    }
    return status;
}

bool same_place(const struct statx& a, const struct statx& b) {
    return a.stx_ino == b.stx_ino && a.stx_mnt_id == b.stx_mnt_id &&
           a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor;
}

Verdict check_op(const Attest& attest, std::uint32_t index, const Op& op) {
    switch (op.kind) {
        case JSV_OP_RLIMIT:
            return check_limit(attest, index, op);
        case JSV_OP_NICE:
            return check_nice(attest, index, op);
        case JSV_OP_OOM_SCORE:
            return check_oom_score(attest, index, op);
        case JSV_OP_UMASK:
            return check_equal(index, "Umask", attest.facts.umask,
                               static_cast<std::int64_t>(op.number[0] & 0777U));
        case JSV_OP_SESSION:
            return check_session(attest, index);
        case JSV_OP_IDS:
            return check_ids(attest, index, op);
        case JSV_OP_CAPABILITIES:
            return check_capabilities(attest, index, op);
        case JSV_OP_NO_NEW_PRIVS:
            return check_equal(index, "NoNewPrivs", attest.facts.no_new_privs ? 1 : 0, 1);
        case JSV_OP_LANDLOCK:
            return attest_landlock(attest.plan, index, attest.evidence);
        // Rules are part of the ruleset.
        case JSV_OP_LANDLOCK_PATH:
        case JSV_OP_LANDLOCK_PORT:
            return std::nullopt;
        case JSV_OP_SECCOMP:
            return check_filter(attest.facts, index, op);
        // Visible to the process alone, and read back by it: securebits, hostname, sysctls. The
        // working directory may be the program's own; where it lies is checked for all.
        case JSV_OP_SECUREBITS:
        case JSV_OP_CHDIR:
        case JSV_OP_SECCOMP_MAIN:  // comes later: attest_main
        case JSV_OP_ENVIRONMENT:
        case JSV_OP_HOST_DIRECTORY:
        case JSV_OP_CGROUP:
        case JSV_OP_PRESSURE:
        case JSV_OP_DEVICES:
        case JSV_OP_NAMESPACE:
        case JSV_OP_ID_MAP:
        case JSV_OP_NETWORK:
        case JSV_OP_NETWORK_JOIN:
        case JSV_OP_NET_EDGE:
        case JSV_OP_NET_FORWARD:
        case JSV_OP_EGRESS:
        case JSV_OP_HOSTNAME:
        case JSV_OP_ROOT:
        case JSV_OP_BIND:
        case JSV_OP_TMPFS:
        case JSV_OP_PROC:
        case JSV_OP_DEV:
        case JSV_OP_DEVICE:
        case JSV_OP_MASK:
        case JSV_OP_READ_ONLY:
        case JSV_OP_SYSCTL:
        case JSV_OP_FILE:
        case JSV_OP_VIEW:
        case JSV_OP_REVEAL:
        case JSV_OP_SYSFS:
        case JSV_OP_CREDENTIALS:
        case JSV_OP_CREDENTIAL:
            return std::nullopt;
    }
    return not_held(index, "unknown kind");
}

/// A blocked or ignored signal stays so over the exec, and could be the one that is to stop it.
Verdict attest_signals(const Attest& attest) {
    const ProcessFacts& facts = attest.facts;
    if (facts.blocked_signals == 0 && facts.ignored_signals == 0) return std::nullopt;
    return not_held(kStepIsolation, fmt::format("signals: {:x} blocked, {:x} ignored, not 0",
                                                facts.blocked_signals, facts.ignored_signals));
}

/// Every namespace is the stub's, also those that the plan left to the host.
Verdict attest_namespaces(const Attest& attest) {
    for (const NamespaceType& type : namespace_types()) {
        const auto seen = namespace_id(kStepEnter, attest.program, type.name);
        if (!seen) return seen.error();
        const auto wanted = attest.stub > 0 ? namespace_id(kStepEnter, attest.stub, type.name)
                                            : own_namespace_id(kStepEnter, type);
        if (!wanted) return wanted.error();
        if (*seen == *wanted) continue;
        return not_held(kStepEnter,
                        fmt::format("{} namespace is {}, not {}", type.name, *seen, *wanted));
    }
    return std::nullopt;
}

/// The same root as the stub, and a working directory on a mount that is reachable from it: a
/// directory outside would be the way out (CVE-2024-21626).
Verdict attest_places(const Attest& attest) {
    const pid_t other = attest.stub > 0 ? attest.stub : ::getpid();
    const auto root = status_of(kStepEnter, fmt::format("/proc/{}/root", attest.program));
    if (!root) return root.error();
    const auto wanted = status_of(kStepEnter, fmt::format("/proc/{}/root", other));
    if (!wanted) return wanted.error();
    if (!same_place(*root, *wanted)) {
        return not_held(kStepEnter,
                        fmt::format("its root is inode {} of mount {}, not {} of {}", root->stx_ino,
                                    root->stx_mnt_id, wanted->stx_ino, wanted->stx_mnt_id));
    }
    const auto cwd = status_of(kStepDirectory, fmt::format("/proc/{}/cwd", attest.program));
    if (!cwd) return cwd.error();
    if (cwd->stx_mnt_id == root->stx_mnt_id) return std::nullopt;
    const auto view = JailView::open(other);
    if (!view) return view.error();
    if (view->table().find(cwd->stx_mnt_id) != nullptr) return std::nullopt;
    return not_held(kStepDirectory, "the working directory is outside the jail's root");
}

constexpr std::size_t kFirstPassed = 3;  ///< sd_listen_fds(3)

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

/// 0, 1, 2, the passed ones and the gate right after them; nothing else, whatever leaked into us.
Verdict attest_descriptors(const Attest& attest) {
    const std::string path = fmt::format("/proc/{}/fd", attest.program);
    const std::unique_ptr<DIR, CloseDir> entries(::opendir(path.c_str()));
    if (!entries) return failed(kStepDescriptors, path, errno);
    const std::size_t wanted = kFirstPassed + attest.passed.size() + 1;
    std::size_t count = 0;
    errno = 0;  // only so an error is told from the end (readdir(3))
    while (const dirent* entry = ::readdir(entries.get())) {
        if (entry->d_name[0] == '.') continue;
        ++count;
        if (static_cast<std::size_t>(std::atoi(entry->d_name)) < wanted) continue;
        return not_held(kStepDescriptors, fmt::format("descriptor {} is open", entry->d_name));
    }
    if (errno != 0) return failed(kStepDescriptors, path, errno);
    if (count == wanted) return std::nullopt;
    return not_held(kStepDescriptors,
                    fmt::format("{} descriptors are open, not {}", count, wanted));
}

/// That each of the passed ones is the one that was declared, where it was to be.
Verdict attest_passed(const Attest& attest) {
    for (std::size_t i = 0; i < attest.passed.size(); ++i) {
        const std::string path = fmt::format("/proc/{}/fd/{}", attest.program, kFirstPassed + i);
        struct stat info{};
        if (::stat(path.c_str(), &info) == -1) return failed(kStepDescriptors, path, errno);
        if (FileIdentity{info.st_dev, info.st_ino} == attest.passed[i]) continue;
        return not_held(kStepDescriptors,
                        fmt::format("descriptor {} is another than was passed", kFirstPassed + i));
    }
    return std::nullopt;
}

}  // namespace

Result<std::vector<FileIdentity>> identify(const std::vector<int>& descriptors) {
    std::vector<FileIdentity> files;
    for (const int fd : descriptors) {
        struct stat info{};
        if (::fstat(fd, &info) == -1) return fail_errno("fstat");
        files.push_back({info.st_dev, info.st_ino});
    }
    return files;
}

Jailed<std::vector<JailFailure>> attest_program(const CompiledPlan& compiled,
                                                const ResolvedIds& ids, pid_t stub, pid_t program,
                                                const std::vector<FileIdentity>& passed,
                                                std::uint32_t evidence) {
    const auto whole = compiled.whole();
    const Plan& plan = *whole;
    auto facts = read_process_facts(kStepIsolation, program);
    if (!facts) return std::unexpected(std::move(facts).error());
    auto limits = sys::read_file(fmt::format("/proc/{}/limits", program));
    if (!limits) return std::unexpected(failed(kStepIsolation, "limits", limits.error().code));
    const Attest attest{
        plan, ids, stub, program, passed, evidence, std::move(*facts), std::move(*limits)};
    std::vector<JailFailure> weakened;
    for (std::uint32_t index = 0; index < plan.ops.size(); ++index) {
        auto verdict = check_op(attest, index, plan.ops[index]);
        if (!verdict) continue;
        if (!plan.ops[index].optional) return std::unexpected(std::move(*verdict));
        weakened.push_back(std::move(*verdict));
    }
    for (const auto check :
         {attest_signals, attest_namespaces, attest_places, attest_descriptors, attest_passed}) {
        if (auto verdict = check(attest)) return std::unexpected(std::move(*verdict));
    }
    return weakened;
}

Jailed<void> attest_main(const CompiledPlan& compiled, pid_t program) {
    const auto whole = compiled.whole();
    const Plan& plan = *whole;
    const auto first = std::ranges::find(plan.ops, JSV_OP_SECCOMP, &Op::kind);
    const auto second = std::ranges::find(plan.ops, JSV_OP_SECCOMP_MAIN, &Op::kind);
    if (first == plan.ops.end() || second == plan.ops.end()) return {};
    const auto index = static_cast<std::uint32_t>(second - plan.ops.begin());
    const auto facts = read_process_facts(index, program);
    if (!facts) return std::unexpected(facts.error());
    if (auto verdict = check_filter(*facts, index, *first, 1)) return std::unexpected(*verdict);
    return {};
}

}  // namespace jailsvc::jailer
