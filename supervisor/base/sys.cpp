#include "base/sys.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace jailsvc::sys {
namespace {

Result<void> write_all(int fd, std::string_view text, const std::string& name) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("write " + name);
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

}  // namespace

Result<Fd> open(const std::string& path, int flags, mode_t mode) {
    Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) return fail_errno("open " + path);
    return fd;
}

Result<Fd> open_beneath(int dir, const std::string& path, std::uint64_t flags,
                        std::uint64_t resolve, mode_t mode) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.mode = mode;
    how.resolve = resolve;
    Fd fd(static_cast<int>(::syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how)));
    if (!fd) return fail_errno("open " + path);
    return fd;
}

Result<std::string> read_fd(int fd, std::size_t limit) {
    std::string content;
    char block[16384];
    for (;;) {
        const ssize_t count = ::read(fd, block, sizeof block);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("read");
        if (count == 0) return content;
        if (content.size() + static_cast<std::size_t>(count) > limit) {
            return fail_errno(fmt::format("read: longer than {} bytes", limit), EFBIG);
        }
        content.append(block, static_cast<std::size_t>(count));
    }
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    TRY(const Fd fd, open(path, O_RDONLY));
    auto content = read_fd(fd.get(), limit);
    if (!content) return fail_in(path, std::move(content).error());
    return content;
}

Result<void> write_file(const std::string& path, std::string_view text) {
    TRY(const Fd fd, open(path, O_WRONLY));
    return write_all(fd.get(), text, path);
}

Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode) {
    const std::string temporary = fmt::format("{}.{}.new", path, ::getpid());
    TRY(const Fd fd, open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    Result<void> done = write_all(fd.get(), text, temporary);
    if (done && ::fsync(fd.get()) == -1) done = fail_errno("fsync " + temporary);
    if (done && ::rename(temporary.c_str(), path.c_str()) == -1) {
        done = fail_errno("rename to " + path);
    }
    if (!done) ::unlink(temporary.c_str());
    return done;
}

Result<void> make_directories(const std::string& path, mode_t mode) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (::mkdir(part.c_str(), mode) == -1 && errno != EEXIST) {
            return fail_errno("mkdir " + part);
        }
        if (end == std::string::npos) return {};
    }
}

Result<Fd> pidfd_open(pid_t pid) {
    Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd) return fail_errno(fmt::format("pidfd_open {}", pid));
    return fd;
}

pid_t pidfd_pid(int pidfd) {
    const auto text = read_file(fmt::format("/proc/self/fdinfo/{}", pidfd), 4096);
    const auto line = text ? text->find("Pid:") : std::string::npos;
    return line == std::string::npos ? -1 : std::atoi(text->c_str() + line + 4);
}

Result<void> pidfd_signal(int pidfd, int signo) {
    if (::syscall(SYS_pidfd_send_signal, pidfd, signo, nullptr, 0) == -1) {
        return fail_errno(fmt::format("pidfd_send_signal {}", signo));
    }
    return {};
}

Result<void> write_fd(int fd, std::string_view text, const std::string& name) {
    return write_all(fd, text, name);
}

Result<Fd> sealed_memfd(const char* name, std::string_view bytes) {
    Fd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return fail_errno(fmt::format("memfd_create {}", name));
    TRY_VOID(write_all(fd.get(), bytes, name));
    constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) == -1) return fail_errno("seal a memfd");
    return fd;
}

Result<std::string> read_memfd(int fd, std::size_t limit) {
    struct stat info{};
    if (::fstat(fd, &info) == -1) return fail_errno("fstat");
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size > limit) return fail_errno(fmt::format("memfd longer than {} bytes", limit), EFBIG);
    std::string content(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count =
            ::pread(fd, content.data() + done, size - done, static_cast<off_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("pread");
        if (count == 0) return fail_errno("memfd shrank while read", EIO);
        done += static_cast<std::size_t>(count);
    }
    return content;
}

Result<Fd> duplicate(int fd) {
    Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) return fail_errno("duplicate a descriptor");
    return copy;
}

Result<std::string> program_directory() {
    char path[4096];
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    if (length < 0) return fail_errno("readlink /proc/self/exe");
    const std::string_view whole(path, static_cast<std::size_t>(length));
    return std::string(whole.substr(0, whole.rfind('/')));
}

}  // namespace jailsvc::sys
