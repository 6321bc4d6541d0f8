// What a unit asks to be shown or given: binds and file systems of its own, read from its keys.
#ifndef JAILSVC_PLUGINS_CHROOT_MOUNTS_HPP
#define JAILSVC_PLUGINS_CHROOT_MOUNTS_HPP

#include <cstdint>
#include <jailsvc_plugin.hpp>
#include <string>
#include <vector>

namespace jailsvc::chroot {

// Nothing we mount brings set-user-ID programs or device nodes; /dev is the one exception.
constexpr std::uint32_t kSafe = JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV;
constexpr std::uint32_t kNoPrograms = kSafe | JSV_MOUNT_NOEXEC;
constexpr std::uint64_t kTmpBytes = 256 << 20;  // each of /tmp and /var/tmp; takes memory when used

enum class Mode { kHost, kDirectory, kNone };

/// A mount from the host's tree into the jail's.
struct Bind {
    const char* key;
    std::string source;
    std::string target;
    std::uint32_t flags;
};

/// A new file system for the service alone.
struct Tmpfs {
    std::string path;
    std::uint64_t bytes = kTmpBytes;
    std::uint32_t mode = 0755;
};

/// "binds" and "binds_ro", in the order written.
std::vector<Bind> read_binds(jsv::Planner& plan);

/// Writable trees of the service's own: "tmpfs", and /tmp and /var/tmp unless `tmp` is false;
/// outer ones first.
std::vector<Tmpfs> read_tmpfs(jsv::Planner& plan);

}  // namespace jailsvc::chroot

#endif  // JAILSVC_PLUGINS_CHROOT_MOUNTS_HPP
