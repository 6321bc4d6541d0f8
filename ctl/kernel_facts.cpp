#include "kernel_facts.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "base/sys.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::size_t kMaxStatus = 65536;
constexpr std::uint64_t kFilter = 2;  ///< SECCOMP_MODE_FILTER

/// The first number of a line "NAME:\t…".
std::optional<std::uint64_t> number_in(std::string_view status, std::string_view name, int base) {
    const std::string start = fmt::format("\n{}:\t", name);
    const std::size_t at = status.find(start);
    if (at == std::string_view::npos) return std::nullopt;
    const char* const begin = status.data() + at + start.size();
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(begin, status.data() + status.size(), value, base);
    return parsed.ec == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<std::uint64_t> namespace_of(pid_t pid, std::string_view name) {
    struct stat info{};
    const std::string path = fmt::format("/proc/{}/ns/{}", pid, name);
    return ::stat(path.c_str(), &info) == 0 ? std::optional<std::uint64_t>(info.st_ino)
                                            : std::nullopt;
}

}  // namespace

KernelFacts parse_status(std::string_view status) {
    KernelFacts facts;
    facts.uid = number_in(status, "Uid", 10);
    facts.bounding = number_in(status, "CapBnd", 16);
    if (const auto set = number_in(status, "NoNewPrivs", 10)) facts.no_new_privs = *set == 1;
    if (const auto mode = number_in(status, "Seccomp", 10)) facts.filtered = *mode == kFilter;
    return facts;
}

KernelFacts look_at(pid_t pid, pid_t supervisor) {
    const auto status = sys::read_file(fmt::format("/proc/{}/status", pid), kMaxStatus);
    KernelFacts facts = status ? parse_status(*status) : KernelFacts();
    for (const char* name : {"mnt", "pid", "net", "ipc", "uts", "user", "cgroup"}) {
        const auto theirs = namespace_of(pid, name);
        const auto ours = namespace_of(supervisor, name);
        if (theirs && ours) facts.own_namespaces.emplace(name, *theirs != *ours);
    }
    return facts;
}

}  // namespace jailsvc::ctl
