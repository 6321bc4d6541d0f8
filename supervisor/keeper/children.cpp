#include "keeper/children.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

namespace jailsvc::keeper {

ChildList::ChildList() noexcept {
    char self[16] = {};
    if (::readlink("/proc/self", self, sizeof self - 1) <= 0) return;
    if (std::strtol(self, nullptr, 10) != ::getpid()) return;
    fd_ = ::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
}

ChildList::~ChildList() {
    if (fd_ >= 0) ::close(fd_);
}

pid_t ChildList::next() noexcept {
    pid_t pid = 0;
    for (;;) {
        if (at_ == size_) {
            const ssize_t n = fd_ >= 0 ? ::read(fd_, buffer_, sizeof buffer_) : 0;
            if (n <= 0) return pid;
            at_ = 0;
            size_ = static_cast<std::size_t>(n);
        }
        const char c = buffer_[at_++];
        if (c >= '0' && c <= '9') {
            pid = pid * 10 + (c - '0');
        } else if (pid != 0) {
            return pid;
        }
    }
}

}  // namespace jailsvc::keeper
