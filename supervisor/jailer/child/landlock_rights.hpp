#pragma once

#include <cstdint>

/// What Landlock can restrict, by the version of its interface (landlock(7)). The values are the
/// kernel's; they are written out since the system's header may be older than the kernel.
namespace jailsvc::jailer::landlock {

// LANDLOCK_ACCESS_FS_*
inline constexpr std::uint64_t kExecute = 1U << 0, kWriteFile = 1U << 1, kReadFile = 1U << 2,
                               kReadDir = 1U << 3, kRemoveDir = 1U << 4, kRemoveFile = 1U << 5,
                               kMakeChar = 1U << 6, kMakeDir = 1U << 7, kMakeReg = 1U << 8,
                               kMakeSock = 1U << 9, kMakeFifo = 1U << 10, kMakeBlock = 1U << 11,
                               kMakeSym = 1U << 12, kRefer = 1U << 13, kTruncate = 1U << 14,
                               kIoctlDev = 1U << 15, kResolveUnix = 1U << 16;
inline constexpr std::uint64_t kAllFs = (1U << 17) - 1;
/// A rule for anything but a directory may allow these alone (landlock_add_rule(2), EINVAL).
inline constexpr std::uint64_t kFileRights =
    kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDev | kResolveUnix;
/// Handled where the kernel knows them; where it does not, other walls still stand.
inline constexpr std::uint64_t kRefinements = kIoctlDev | kResolveUnix;

// LANDLOCK_ACCESS_NET_*
inline constexpr std::uint64_t kBindTcp = 1U << 0, kConnectTcp = 1U << 1, kBindUdp = 1U << 2,
                               kConnectUdp = 1U << 3;  ///< also to send to an address
inline constexpr std::uint64_t kTcp = kBindTcp | kConnectTcp, kUdp = kBindUdp | kConnectUdp;
inline constexpr std::uint64_t kAllNet = kTcp | kUdp;

// LANDLOCK_SCOPE_*
inline constexpr std::uint64_t kScopeAbstractSockets = 1U << 0, kScopeSignals = 1U << 1;
inline constexpr std::uint64_t kAllScopes = kScopeAbstractSockets | kScopeSignals;

struct Rights {
    std::uint64_t fs, net, scoped;
};

/// What a kernel knows whose interface has this version; none for 0 and errors.
constexpr Rights known_rights(long abi) noexcept {
    Rights known{0, 0, 0};
    if (abi >= 1) known.fs = kRefer - 1;
    if (abi >= 2) known.fs |= kRefer;
    if (abi >= 3) known.fs |= kTruncate;
    if (abi >= 4) known.net = kTcp;
    if (abi >= 5) known.fs |= kIoctlDev;
    if (abi >= 6) known.scoped = kAllScopes;
    if (abi >= 9) known.fs |= kResolveUnix;
    if (abi >= 10) known.net |= kUdp;
    return known;
}

constexpr Rights common(const Rights& a, const Rights& b) noexcept {
    return {a.fs & b.fs, a.net & b.net, a.scoped & b.scoped};
}

constexpr bool is_empty(const Rights& rights) noexcept {
    return (rights.fs | rights.net | rights.scoped) == 0;
}

/// Version of the running kernel's interface, or a negative errno.
[[nodiscard]] long abi() noexcept;

/// What a program at its gate has found denied, as its kReady report carries it; above it the
/// number of rules that its ruleset got.
inline constexpr std::uint32_t kProbedFs = 1, kProbedNet = 2, kProbedScope = 4, kOneRule = 8;

}  // namespace jailsvc::jailer::landlock
