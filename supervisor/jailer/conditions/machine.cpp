#include "jailer/conditions/machine.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/capability_names.hpp"
#include "base/sys.hpp"
#include "config/condition_keys.hpp"

namespace jailsvc::jailer {
namespace {

constexpr unsigned kPatient = AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
constexpr std::size_t kMostText = 64U << 10;

std::optional<struct statx> look(const std::string& path, unsigned flags = 0) {
    struct statx seen{};
    const auto how = static_cast<int>(kPatient | flags);
    if (::statx(AT_FDCWD, path.c_str(), how, STATX_BASIC_STATS, &seen) == -1) return std::nullopt;
    return seen;
}

bool has_entries(const std::string& path) {
    struct Close {
        void operator()(DIR* dir) const { ::closedir(dir); }
    };
    const std::unique_ptr<DIR, Close> dir(::opendir(path.c_str()));
    if (!dir) return false;
    while (const dirent* entry = ::readdir(dir.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") return true;
    }
    return false;
}

bool can_be_written(const std::string& path) {
    struct statvfs info{};
    return ::statvfs(path.c_str(), &info) == 0 && (info.f_flag & ST_RDONLY) == 0;
}

/// "quiet" of "ro quiet", "root" of "root=/dev/x".
bool has_word(std::string_view line, std::string_view word) {
    while (!line.empty()) {
        const auto end = std::min(line.find_first_of(" \n"), line.size());
        const std::string_view one = line.substr(0, end);
        if (one == word || one.substr(0, one.find('=')) == word) return true;
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    return false;
}

bool is_machine(std::string_view name) {
    utsname host{};
    if (::uname(&host) == -1) return false;
    const std::string_view machine = host.machine;
    if (name == machine) return true;
    return (machine == "x86_64" && name == "x86-64") || (machine == "aarch64" && name == "arm64");
}

bool is_host(std::string_view name) {
    utsname host{};
    return ::uname(&host) == 0 && name == host.nodename;
}

bool is_user(const std::string& name) {
    const uid_t own = ::geteuid();
    if (name == std::to_string(own)) return true;
    const passwd* entry = ::getpwnam(name.c_str());
    return entry != nullptr && entry->pw_uid == own;
}

bool has_capability(std::string_view name) {
    const auto number = capability_number(name);
    return number && ::prctl(PR_CAPBSET_READ, *number) == 1;
}

bool has_variable(std::string_view text) {
    const std::string name(text.substr(0, text.find('=')));
    const char* value = ::getenv(name.c_str());
    if (value == nullptr) return false;
    return name.size() == text.size() || text.substr(name.size() + 1) == value;
}

}  // namespace

std::string Machine::text_of(const char* path) const {
    return sys::read_file(root_ + path, kMostText).value_or("");
}

/// As its manager tells it (systemd.io, CONTAINER_INTERFACE), or leaves behind.
bool Machine::is_container() const {
    const std::string environment = '\0' + text_of("/proc/1/environ");
    if (environment.find(std::string_view("\0container=", 11)) != std::string::npos) return true;
    for (const char* mark : {"/run/systemd/container", "/run/.containerenv", "/.dockerenv"}) {
        if (look(root_ + mark)) return true;
    }
    return false;
}

/// A hypervisor shows itself by a bit of CPUID, elsewhere by the firmware's tables.
bool Machine::is_vm() const {
    const std::string processors = text_of("/proc/cpuinfo");
    const auto flags = processors.find("\nflags");
    const auto line = flags == std::string::npos
                          ? std::string()
                          : processors.substr(flags, processors.find('\n', flags + 1) - flags);
    if (has_word(line, "hypervisor")) return true;
    const std::string vendor = text_of("/sys/class/dmi/id/sys_vendor");
    for (const char* known : {"QEMU", "VMware", "Xen", "innotek", "Amazon EC2"}) {
        if (vendor.starts_with(known)) return true;
    }
    return !text_of("/sys/hypervisor/type").empty();
}

bool Machine::holds_path(std::string_view key, const std::string& path) const {
    const auto link = look(path, AT_SYMLINK_NOFOLLOW);
    if (key == "path_is_symbolic_link") return link && S_ISLNK(link->stx_mode);
    const auto seen = look(path);
    if (!seen) return false;
    if (key == "path_exists") return true;
    if (key == "path_is_directory") return S_ISDIR(seen->stx_mode);
    if (key == "path_is_mount_point") return (seen->stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    if (key == "path_is_read_write") return can_be_written(path);
    if (key == "directory_not_empty") return S_ISDIR(seen->stx_mode) && has_entries(path);
    if (key == "file_not_empty") return S_ISREG(seen->stx_mode) && seen->stx_size > 0;
    return key == "file_is_executable" && S_ISREG(seen->stx_mode) && (seen->stx_mode & 0111) != 0;
}

bool Machine::holds(std::string_view key, std::string_view value) const {
    if (value.starts_with('/') &&
        (key.starts_with("path_") || key.starts_with("file_") || key == "directory_not_empty")) {
        return holds_path(key, root_ + std::string(value));
    }
    if (key == "kernel_command_line") return has_word(text_of("/proc/cmdline"), value);
    if (key == "architecture") return is_machine(value);
    if (key == "host") return is_host(value);
    if (key == "user") return is_user(std::string(value));
    if (key == "capability") return has_capability(value);
    if (key == "environment") return has_variable(value);
    if (key != "virtualization") return false;
    const bool container = is_container();
    if (value == "container") return container;
    if (value == "vm") return !container && is_vm();
    return (container || is_vm()) == (value == "yes");
}

std::optional<std::string> unmet(const config::ConditionTable& table, std::string_view what,
                                 const Machine& machine) {
    bool any_asked = false;
    bool any_met = false;
    std::string asked;
    for (const auto& [key, member] : config::condition_members()) {
        for (const std::string& written : table.*member) {
            const config::ConditionValue value = config::parse_condition(written);
            const bool met = machine.holds(key, value.text) != value.negated;
            const std::string shown = fmt::format("{} = \"{}\"", key, written);
            if (!value.any && !met) return fmt::format("{} {} does not hold", what, shown);
            if (!value.any) continue;
            asked += (any_asked ? ", " : "") + shown;
            any_asked = true;
            any_met = any_met || met;
        }
    }
    if (!any_asked || any_met) return std::nullopt;
    return fmt::format("none of these {}s holds: {}", what, asked);
}

}  // namespace jailsvc::jailer
