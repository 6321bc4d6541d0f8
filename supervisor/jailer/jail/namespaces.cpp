#include "jailer/jail/namespaces.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/sys.hpp"
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

Jailed<NamespaceIds> NamespaceIds::of(std::uint32_t op, pid_t pid) {
    std::string path = fmt::format("/proc/{}/ns", pid);
    auto directory = sys::open(path, O_PATH | O_DIRECTORY);
    if (!directory) return std::unexpected(failed(op, path, directory.error().code));
    return NamespaceIds(std::move(*directory), std::move(path));
}

Jailed<std::uint64_t> NamespaceIds::id(std::uint32_t op, std::string_view name) const {
    struct stat status{};
    if (::fstatat(directory_.get(), std::string(name).c_str(), &status, 0) == -1) {
        return std::unexpected(failed(op, fmt::format("{}/{}", path_, name), errno));
    }
    return std::uint64_t{status.st_ino};
}

Jailed<std::uint64_t> own_namespace_id(std::uint32_t op, const NamespaceType& type) {
    static struct {
        pid_t pid = 0;  // whose they are: a forked copy may have gone elsewhere
        std::array<std::uint64_t, 8> ids{};
    } known;
    const pid_t self = ::getpid();
    if (type.flag == CLONE_NEWNET) return namespace_id(op, self, type.name);
    if (known.pid != self) known = {.pid = self, .ids = {}};
    const auto place = std::ranges::find(namespace_types(), type.flag, &NamespaceType::flag);
    std::uint64_t& id = known.ids.at(static_cast<std::size_t>(place - namespace_types().begin()));
    if (id != 0) return id;
    const auto read = namespace_id(op, self, type.name);
    if (read) id = *read;
    return read;
}

}  // namespace jailsvc::jailer
