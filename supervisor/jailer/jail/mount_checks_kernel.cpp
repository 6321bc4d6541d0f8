#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <unistd.h>

#include "jailer/jail/failure.hpp"
#include "jailer/jail/mount_checks.hpp"
#include "jailer/jail/namespaces.hpp"
#include "jailer/net/shown_interfaces.hpp"

namespace jailsvc::jailer::mounts {
namespace {

/// hidepid has names since Linux 5.8, and is not shown when 0.
bool hides(const MountEntry& mount, std::uint64_t wanted) {
    static constexpr const char* kNames[] = {"off", "noaccess", "invisible"};
    const auto shown = MountEntry::option_value(mount.super_options, "hidepid");
    if (!shown) return wanted == 0;
    return wanted < std::size(kNames) &&
           (*shown == kNames[wanted] || *shown == std::to_string(wanted));
}

/// There is one sysfs for each network namespace (sysfs_init_fs_context in the kernel).
Jailed<bool> is_hosts_sysfs(std::uint32_t index, const Place& place, pid_t stub) {
    const auto ours = namespace_id(index, ::getpid(), "net");
    if (!ours) return std::unexpected(ours.error());
    const auto theirs = namespace_id(index, stub, "net");
    if (!theirs) return std::unexpected(theirs.error());
    if (*ours == *theirs) return false;
    const auto host = status_of(index, AT_FDCWD, "/sys", 0);
    if (!host && host.error().code == ENOENT) return false;
    if (!host) return std::unexpected(host.error());
    return same_file(*host, place.status);
}

}  // namespace

Verdict check_proc(Attest& attest, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "proc")) return verdict;
    if (!hides(*place.mount, op.number[0])) {
        return not_held(index, fmt::format("{}: {}, not hidepid={}", op.text[0],
                                           place.mount->super_options, op.number[0]));
    }
    if ((attest.plan.namespace_flags() & CLONE_NEWPID) != 0) {
        // Whose processes it shows: its process 1 must be in the stub's pid namespace.
        struct stat shown{}, own{};
        const std::string stub = fmt::format("/proc/{}/ns/pid", attest.view.stub());
        if (::fstatat(place.fd.get(), "1/ns/pid", &shown, 0) == -1 ||
            ::stat(stub.c_str(), &own) == -1) {
            return failed(index, op.text[0] + "/1/ns/pid", errno);
        }
        if (shown.st_ino != own.st_ino) {
            return not_held(index, fmt::format("{}: shows pid namespace {}, not {}", op.text[0],
                                               shown.st_ino, own.st_ino));
        }
    }
    return check_flags(index, op, place, op.flags);
}

/// Whose interfaces it shows: those of the jail's network.
Verdict check_sysfs(Attest& attest, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "sysfs")) return verdict;
    const auto hosts = is_hosts_sysfs(index, place, attest.view.stub());
    if (!hosts) return hosts.error();
    if (*hosts) {
        return not_held(index, op.text[0] + ": is the host's, not one of the jail's network");
    }
    const auto shown = list_shown_interfaces(place.fd.get());
    const auto own = list_interfaces_of(attest.view.stub());
    if (!shown || !own) {
        return failed(index, op.text[0] + "/class/net", (shown ? own : shown).error().code);
    }
    if (*shown != *own) {
        return not_held(index, fmt::format("{}: shows the interfaces {}, not {}", op.text[0],
                                           fmt::join(*shown, " "), fmt::join(*own, " ")));
    }
    return check_flags(index, op, place, op.flags);
}

}  // namespace jailsvc::jailer::mounts
