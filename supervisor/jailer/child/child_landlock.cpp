// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/child_landlock.hpp"

#include <fcntl.h>
#include <jailsvc_plugin.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

#include "jailer/child/child_resolve.hpp"
#include "jailer/child/child_walk.hpp"
#include "jailer/child/raw_calls.hpp"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

namespace jailsvc::jailer {
namespace {

using About = GateReport::About;
using landlock::Rights;

// linux/landlock.h
constexpr unsigned kAskVersion = 1;
constexpr unsigned kRulePath = 1, kRulePort = 2;
/// What we try ourselves is no matter for the audit log; what the program tries is (ABI 7).
constexpr unsigned kLogProgramOnly = 1U << 0 | 1U << 1;
constexpr long kFirstWithLogFlags = 7;

struct __attribute__((packed)) PathRule {
    std::uint64_t allowed;
    std::int32_t parent;
};
struct PortRule {
    std::uint64_t allowed, port;
};

Outcome outcome(long result, About about) noexcept {
    return {result < 0 ? static_cast<int>(-result) : 0, about};
}

/// A name from the kernel, which nobody else has (unix(7), "autobind").
int bind_outside(LandlockState& state) noexcept {
    const raw::Handle socket(raw::call_int(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.ok()) return socket.get();
    state.outside_name.sun_family = AF_UNIX;
    state.outside_length = sizeof state.outside_name;
    int code = raw::call_int(SYS_bind, socket.get(), &state.outside_name, sizeof(sa_family_t));
    if (code >= 0) {
        code = raw::call_int(SYS_getsockname, socket.get(), &state.outside_name,
                             &state.outside_length);
    }
    if (code < 0) return code;
    state.outside = raw::call_int(SYS_fcntl, socket.get(), F_DUPFD_CLOEXEC, 0);
    return state.outside;
}

/// What the kernel lacks beyond what the plan can do without.
bool lacks(const ChildOp& op, const Rights& known) noexcept {
    return (op.number[0] & ~known.fs & ~landlock::kRefinements) != 0 ||
           (op.number[1] & ~known.net) != 0;
}

Outcome make_ruleset(LandlockState& state, const ChildOp& op) noexcept {
    const long abi = landlock::abi();
    if (abi < 0 && abi != -ENOSYS && abi != -EOPNOTSUPP) return outcome(abi, About::kWhole);
    const Rights known = landlock::known_rights(abi);
    state.handled = common({op.number[0], op.number[1], op.number[2]}, known);
    if (!is_empty(state.handled)) {
        state.ruleset =
            raw::call_int(SYS_landlock_create_ruleset, &state.handled, sizeof state.handled, 0);
        if (state.ruleset < 0) return outcome(state.ruleset, About::kWhole);
    }
    if ((state.handled.scoped & landlock::kScopeAbstractSockets) != 0) {
        if (const int code = bind_outside(state); code < 0) return outcome(code, About::kReadBack);
    }
    if (lacks(op, known)) return {EOPNOTSUPP, About::kWhole};
    if ((op.number[2] & ~known.scoped) == 0) return {};
    return {EOPNOTSUPP, About::kWhole, (op.flags & JSV_LANDLOCK_SCOPE_IF_KNOWN) != 0};
}

Outcome allow_path(LandlockState& state, const ChildOp& op) noexcept {
    state.evidence += landlock::kOneRule;
    if (state.ruleset < 0) return {};
    const raw::Handle root(raw::openat2(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
    if (!root.ok()) return outcome(root.get(), About::kTarget);
    Resolved resolved;
    resolve_in_root(root.get(), op.text[0], state.job->enter, resolved);
    const raw::Handle place(resolved.fd);
    const bool absent = place.get() == -ENOENT || place.get() == -ENOTDIR;
    if (absent && (op.flags & JSV_MOUNT_OPTIONAL) != 0) return {};
    if (!place.ok()) return outcome(place.get(), About::kTarget);
    PathRule rule{op.number[0] & state.handled.fs, place.get()};
    const int type = file_type(place.get());
    if (type < 0) return outcome(type, About::kTarget);
    if (type != S_IFDIR) rule.allowed &= landlock::kFileRights;
    if (rule.allowed == 0) return {};  // nothing at all: what is not allowed is denied
    return outcome(raw::call(SYS_landlock_add_rule, state.ruleset, kRulePath, &rule, 0),
                   About::kTarget);
}

Outcome allow_port(LandlockState& state, const ChildOp& op) noexcept {
    state.evidence += landlock::kOneRule;
    const PortRule rule{op.number[1] & state.handled.net, op.number[0]};
    if (state.ruleset < 0 || rule.allowed == 0) return {};
    return outcome(raw::call(SYS_landlock_add_rule, state.ruleset, kRulePort, &rule, 0),
                   About::kWhole);
}

/// No rule allows to make a block device. The directory is the jailer's, open to everybody and in
/// no tree, so that no rule covers it and no mode forbids. Unconfined this is EPERM, or done.
bool is_fs_denied(const LandlockState& state) noexcept {
    return raw::call(SYS_mknodat, state.job->probe, "block", S_IFBLK | 0600, 0) == -EACCES;
}

bool is_scope_denied(const LandlockState& state) noexcept {
    const raw::Handle socket(raw::call_int(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return raw::call(SYS_connect, socket.get(), &state.outside_name, state.outside_length) ==
           -EPERM;
}

bool is_allowed_port(const ProgramJob& job, std::uint64_t right, unsigned port) noexcept {
    for (const ChildOp* op = job.ops; op != job.ops + job.count; ++op) {
        if (op->kind != JSV_OP_LANDLOCK_PORT || op->number[0] != port) continue;
        if ((op->number[1] & right) != 0) return true;
    }
    return false;
}

/// What is tried of one protocol's rights, if any of these are handled.
struct NetTrial {
    std::uint64_t bind, connect;
    int type;
};
constexpr NetTrial kNetTrials[] = {
    {landlock::kBindTcp, landlock::kConnectTcp, SOCK_STREAM},
    {landlock::kBindUdp, landlock::kConnectUdp, SOCK_DGRAM},
};

/// The confinement is asked before anything else is done (security_socket_bind and its kin).
bool is_net_denied(const LandlockState& state, const NetTrial& trial) noexcept {
    if ((state.handled.net & (trial.bind | trial.connect)) == 0) return true;
    const bool bind = (state.handled.net & trial.bind) != 0;
    unsigned port = 65535;
    while (port > 1024 && is_allowed_port(*state.job, bind ? trial.bind : trial.connect, port)) {
        --port;
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = static_cast<std::uint16_t>((port & 0xff) << 8 | port >> 8);
    address.sin_addr.s_addr = 0x0100007f;  // 127.0.0.1, in network order
    const raw::Handle socket(
        raw::call_int(SYS_socket, AF_INET, trial.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    return raw::call(bind ? SYS_bind : SYS_connect, socket.get(), &address, sizeof address) ==
           -EACCES;
}

Outcome probe(LandlockState& state) noexcept {
    bool denied = true;
    if (state.handled.fs != 0) {
        denied = is_fs_denied(state);
        if (denied) state.evidence |= landlock::kProbedFs;
    }
    if (denied && state.handled.net != 0) {
        for (const NetTrial& trial : kNetTrials) denied = denied && is_net_denied(state, trial);
        if (denied) state.evidence |= landlock::kProbedNet;
    }
    if (denied && (state.handled.scoped & landlock::kScopeAbstractSockets) != 0) {
        denied = is_scope_denied(state);
        if (denied) state.evidence |= landlock::kProbedScope;
    }
    return denied ? Outcome{} : Outcome{kNotHeld, About::kReadBack};
}

}  // namespace

long landlock::abi() noexcept {
    return raw::call(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
}

Outcome prepare_landlock(LandlockState& state, const ChildOp& op) noexcept {
    if (op.kind == JSV_OP_LANDLOCK) return make_ruleset(state, op);
    if (op.kind == JSV_OP_LANDLOCK_PATH) return allow_path(state, op);
    if (op.kind == JSV_OP_LANDLOCK_PORT) return allow_port(state, op);
    return {};
}

Outcome apply_landlock(LandlockState& state, const ChildOp& op) noexcept {
    if (op.kind != JSV_OP_LANDLOCK || state.ruleset < 0) return {};
    const unsigned flags = landlock::abi() >= kFirstWithLogFlags ? kLogProgramOnly : 0;
    const long code = raw::call(SYS_landlock_restrict_self, state.ruleset, flags);
    raw::close(state.ruleset);
    const Outcome probed = code < 0 ? outcome(code, About::kWhole) : probe(state);
    if (state.outside >= 0) raw::close(state.outside);
    return probed;
}

}  // namespace jailsvc::jailer
