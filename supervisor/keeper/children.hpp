#pragma once

#include <sys/types.h>

#include <cstddef>

namespace jailsvc::keeper {

/// The pids of our children, zombies included, from /proc (proc_pid_children(5)). The kernel may
/// leave some out while others end: ask again until there are none.
class ChildList {
public:
    ChildList() noexcept;
    ChildList(const ChildList&) = delete;
    ChildList& operator=(const ChildList&) = delete;
    ~ChildList();
    /// False: no /proc, or one that counts pids of another namespace.
    [[nodiscard]] bool usable() const noexcept { return fd_ >= 0; }
    /// The next pid, or 0 at the end.
    [[nodiscard]] pid_t next() noexcept;

private:
    int fd_ = -1;
    std::size_t at_ = 0;
    std::size_t size_ = 0;
    char buffer_[4096];
};

}  // namespace jailsvc::keeper
