#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

/// Thin wrappers over system calls for the parents (never the child between clone and exec): the
/// error says which call failed on what. All descriptors they make are close-on-exec.
namespace jailsvc::sys {

[[nodiscard]] Result<Fd> open(const std::string& path, int flags, mode_t mode = 0);

/// openat2(2): `resolve` are RESOLVE_* bits, so that no symlink of a hostile tree leads outside.
[[nodiscard]] Result<Fd> open_beneath(int dir, const std::string& path, std::uint64_t flags,
                                      std::uint64_t resolve, mode_t mode = 0);

/// Whole content of a file that is at most `limit` bytes long; EFBIG beyond it.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t limit = 1U << 20);
[[nodiscard]] Result<std::string> read_fd(int fd, std::size_t limit = 1U << 20);

/// Writes `text` in one go to an existing file (proc, sysfs, cgroup files).
[[nodiscard]] Result<void> write_file(const std::string& path, std::string_view text);

/// All of it, to where the descriptor stands; `name` is for errors.
[[nodiscard]] Result<void> write_fd(int fd, std::string_view text, const std::string& name);

/// Temporary file, fsync, rename: a reader sees the old or the new content, never a part.
[[nodiscard]] Result<void> replace_file(const std::string& path, std::string_view text,
                                        mode_t mode = 0644);

/// mkdir -p with `mode` for what it makes; an existing directory is no error.
[[nodiscard]] Result<void> make_directories(const std::string& path, mode_t mode = 0755);

[[nodiscard]] Result<Fd> pidfd_open(pid_t pid);
[[nodiscard]] Result<void> pidfd_signal(int pidfd, int signo);
/// The process's number in our pid namespace; 0 or less: it has been reaped (proc(5), fdinfo).
[[nodiscard]] pid_t pidfd_pid(int pidfd);

/// memfd with the bytes in it, sealed against every change; readers may map or read it.
[[nodiscard]] Result<Fd> sealed_memfd(const char* name, std::string_view bytes);

/// Whole content of a regular file or memfd from its start, whatever its offset.
[[nodiscard]] Result<std::string> read_memfd(int fd, std::size_t limit = 64U << 20);

/// A second descriptor for the same open file, close-on-exec.
[[nodiscard]] Result<Fd> duplicate(int fd);

/// Folder of the running program, from /proc/self/exe: places are found relative to it.
[[nodiscard]] Result<std::string> program_directory();

}  // namespace jailsvc::sys
