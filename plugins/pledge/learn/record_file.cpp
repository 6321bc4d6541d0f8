#include "record_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace pledge::learn {
namespace {

constexpr std::size_t kLargest = 64U << 20;  ///< [bytes] 4096 paths of 4095 escaped bytes, and more

/// The directory stands for all records in it; closing a descriptor of one's own gives it back.
class Lock {
public:
    explicit Lock(int folder) : fd_(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
        while (fd_ >= 0 && ::flock(fd_, LOCK_EX) == -1 && errno == EINTR) {
        }
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() {
        if (fd_ >= 0) ::close(fd_);
    }

private:
    int fd_;
};

std::string name_of(const std::string& unit) {
    return unit + ".learned";
}

int write_all(int fd, const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t count = ::write(fd, text.data() + done, text.size() - done);
        if (count < 0 && errno != EINTR) return errno;
        if (count > 0) done += static_cast<std::size_t>(count);
    }
    return 0;
}

/// By a new file that takes the old one's place: a reader sees the one or the other.
int replace(int folder, const std::string& unit, const std::string& text) {
    const std::string temporary = "." + name_of(unit);
    const int fd = ::openat(folder, temporary.c_str(),
                            O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    int code = write_all(fd, text);
    ::close(fd);
    if (code == 0 && ::renameat(folder, temporary.c_str(), folder, name_of(unit).c_str()) == -1) {
        code = errno;
    }
    if (code != 0) ::unlinkat(folder, temporary.c_str(), 0);
    return code;
}

}  // namespace

int add_to_file(int folder, const std::string& unit, const Record& more) {
    const Lock lock(folder);
    Record record = read_file(folder, unit).value_or(Record{});
    record.merge(more);
    return replace(folder, unit, to_text(record));
}

std::optional<Record> read_file(int folder, const std::string& unit) {
    const int fd =
        ::openat(folder, name_of(unit).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    std::string text;
    char block[65536];
    ssize_t count = 0;
    while ((count = ::read(fd, block, sizeof block)) > 0 && text.size() < kLargest) {
        text.append(block, static_cast<std::size_t>(count));
    }
    ::close(fd);
    errno = 0;
    return from_text(text);
}

}  // namespace pledge::learn
