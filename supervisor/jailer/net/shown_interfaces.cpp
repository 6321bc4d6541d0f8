#include "jailer/net/shown_interfaces.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <memory>

#include "base/sys.hpp"
#include "jailer/net/links.hpp"

namespace jailsvc::jailer {
namespace {

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

}  // namespace

Result<std::set<std::string>> list_shown_interfaces(int sysfs) {
    TRY(Fd folder, sys::open_beneath(sysfs, "class/net", O_RDONLY | O_DIRECTORY, RESOLVE_BENEATH));
    const std::unique_ptr<DIR, CloseDir> entries(::fdopendir(folder.get()));
    if (!entries) return fail_errno("class/net");
    (void)folder.release();
    std::set<std::string> names;
    errno = 0;  // by which the end is told from a failure, see readdir(3)
    while (const dirent* entry = ::readdir(entries.get())) {
        // Beside the links there may be files of drivers, such as bonding_masters.
        if (entry->d_type == DT_LNK) names.insert(entry->d_name);
    }
    if (errno != 0) return fail_errno("class/net");
    return names;
}

Result<std::set<std::string>> list_interfaces_of(pid_t pid) {
    TRY(const Fd network, sys::open(fmt::format("/proc/{}/ns/net", pid), O_RDONLY));
    TRY(Netlink netlink, Netlink::open_in(network.get()));
    TRY(const auto interfaces, list_interfaces(netlink));
    std::set<std::string> names;
    for (const NetInterface& interface : interfaces) names.insert(interface.name);
    return names;
}

}  // namespace jailsvc::jailer
