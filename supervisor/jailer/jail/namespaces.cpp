#include "jailer/jail/namespaces.hpp"

#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/stat.h>

#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer {

std::span<const NamespaceType> namespace_types() {
    static constexpr NamespaceType kTypes[] = {
        {CLONE_NEWPID, "pid"},   {CLONE_NEWNS, "mnt"},       {CLONE_NEWIPC, "ipc"},
        {CLONE_NEWUTS, "uts"},   {CLONE_NEWNET, "net"},      {CLONE_NEWUSER, "user"},
        {CLONE_NEWTIME, "time"}, {CLONE_NEWCGROUP, "cgroup"}};
    return kTypes;
}

Jailed<std::uint64_t> namespace_id(std::uint32_t op, pid_t pid, std::string_view name) {
    const std::string path = fmt::format("/proc/{}/ns/{}", pid, name);
    struct stat status{};
    if (::stat(path.c_str(), &status) == -1) return std::unexpected(failed(op, path, errno));
    return std::uint64_t{status.st_ino};
}

}  // namespace jailsvc::jailer
