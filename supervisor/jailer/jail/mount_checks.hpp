#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jailer/jail/jail_view.hpp"

/// For attest_mounts: one check for each kind of mount operation. Each compares what stands at
/// `place`, which is a mount of the jail's, with what operation `index` asked for.
namespace jailsvc::jailer::mounts {

using Verdict = std::optional<JailFailure>;  ///< nullopt: it holds

/// A mount that an operation made.
struct Declared {
    std::uint64_t mount;
    std::string point;
    bool writable;
};

/// The state of one attest.
struct Attest {
    const Plan& plan;
    const JailView& view;
    const ResolvedIds& ids;
    std::vector<Declared> declared{};
    std::vector<struct statx> empty{};  ///< directories that were found so
};

// mount_checks_host.cpp: what shows a part of the host's tree.
[[nodiscard]] Verdict check_root(Attest&, std::uint32_t index, const Op&, const Place&);
[[nodiscard]] Verdict check_bind(Attest&, std::uint32_t index, const Op&, const Place&);
[[nodiscard]] Verdict check_device(Attest&, std::uint32_t index, const Op&, const Place&);
[[nodiscard]] Verdict check_read_only(Attest&, std::uint32_t index, const Op&, const Place&);

// mount_checks_own.cpp: file systems that were made for the jail.
[[nodiscard]] Verdict check_tmpfs(Attest&, std::uint32_t index, const Op&, const Place&);
[[nodiscard]] Verdict check_dev(Attest&, std::uint32_t index, const Op&, const Place&);
[[nodiscard]] Verdict check_mask(Attest&, std::uint32_t index, const Op&, const Place&);
[[nodiscard]] Verdict check_file(Attest&, std::uint32_t index, const Op&, const Place&);

// mount_checks_kernel.cpp: views of the kernel, each of one of the jail's namespaces.
[[nodiscard]] Verdict check_proc(Attest&, std::uint32_t index, const Op&, const Place&);
[[nodiscard]] Verdict check_sysfs(Attest&, std::uint32_t index, const Op&, const Place&);

// mount_checks.cpp: what they have in common.
[[nodiscard]] bool same_file(const struct statx& a, const struct statx& b);
[[nodiscard]] bool is_mount_root(const Place& place);
/// The mount that it is in, for errors.
[[nodiscard]] std::string where(const Place& place);
/// "read-only" and the like, for those of `wanted` that are missing.
[[nodiscard]] Verdict check_flags(std::uint32_t index, const Op& op, const Place& place,
                                  std::uint32_t wanted);
/// A file system of our own at exactly this place.
[[nodiscard]] Verdict check_own(std::uint32_t index, const std::string& path, const Place& place,
                                std::string_view type);

}  // namespace jailsvc::jailer::mounts
