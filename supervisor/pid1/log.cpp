#include "pid1/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace jailsvc::pid1 {
namespace {

constexpr char kPrefix[] = "jailsvc-init: ";
constexpr std::size_t kPrefixSize = sizeof kPrefix - 1;

/// A buffer that drops what does not fit.
class Line {
public:
    Line(char* out, std::size_t size) noexcept : out_(out), room_(size - 1) {}
    void add(char c) noexcept {
        if (size_ < room_) out_[size_++] = c;
    }
    void add(const char* text) noexcept {
        while (*text != '\0') add(*text++);
    }
    void add_number(unsigned long number) noexcept {
        char digits[24];
        char* at = digits + sizeof digits;
        *--at = '\0';
        do {
            *--at = static_cast<char>('0' + number % 10);
            number /= 10;
        } while (number != 0);
        add(at);
    }
    void add_signed(long number) noexcept {
        if (number < 0) add('-');
        add_number(number < 0 ? 0UL - static_cast<unsigned long>(number)
                              : static_cast<unsigned long>(number));
    }
    [[nodiscard]] std::size_t finish() noexcept {
        out_[size_] = '\0';
        return size_;
    }

private:
    char* out_;
    std::size_t room_;
    std::size_t size_ = 0;
};

}  // namespace

std::size_t print_list(char* out, std::size_t size, const char* format,
                       std::va_list arguments) noexcept {
    Line line(out, size);
    for (const char* at = format; *at != '\0'; ++at) {
        if (*at != '%') {
            line.add(*at);
            continue;
        }
        const bool wide = at[1] == 'z' || at[1] == 'l';
        at += wide ? 2 : 1;
        if (*at == 's') line.add(va_arg(arguments, const char*));
        if (*at == 'd') line.add_signed(wide ? va_arg(arguments, long) : va_arg(arguments, int));
        if (*at == 'u') {
            line.add_number(wide ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned));
        }
    }
    return line.finish();
}

std::size_t print(char* out, std::size_t size, const char* format, ...) noexcept {
    std::va_list arguments;
    va_start(arguments, format);
    const std::size_t length = print_list(out, size, format, arguments);
    va_end(arguments);
    return length;
}

int log(const char* format, ...) noexcept {
    char line[512];
    std::memcpy(line, kPrefix, kPrefixSize);
    std::va_list arguments;
    va_start(arguments, format);
    const std::size_t text =
        print_list(line + kPrefixSize, sizeof line - kPrefixSize - 1, format, arguments);
    va_end(arguments);
    line[kPrefixSize + text] = '\n';
    // A pipe that polls writable takes PIPE_BUF bytes without blocking (pipe(7)).
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    const timespec now{};
    if (::ppoll(&ready, 1, &now, nullptr) != 1 || (ready.revents & POLLOUT) == 0) return -1;
    if (::write(STDERR_FILENO, line, kPrefixSize + text + 1) < 0) return -1;
    return -1;
}

const char* error_text(int code) noexcept {
    constexpr struct {
        int code;
        const char* text;
    } kTexts[] = {
        {EPERM, "not permitted"},
        {ENOENT, "no such file"},
        {EIO, "input/output error"},
        {E2BIG, "arguments too long"},
        {ENOEXEC, "not a program"},
        {EBADF, "bad descriptor"},
        {EAGAIN, "no process can be made now"},
        {ENOMEM, "out of memory"},
        {EACCES, "not executable, or its file system is mounted noexec"},
        {ENOTDIR, "its folder is none"},
        {EINVAL, "not a program for this kernel"},
        {ENFILE, "too many open files on this machine"},
        {EMFILE, "too many open files"},
        {ETXTBSY, "somebody is writing to it"},
        {ELOOP, "too many symbolic links"},
        {ENOBUFS, "out of buffers"},
        {ETOOMANYREFS, "too many descriptors on their way"},
    };
    for (const auto& each : kTexts) {
        if (each.code == code) return each.text;
    }
    return "see errno(3)";
}

int parse_number(const char* text) noexcept {
    constexpr long kMost = 0x7fffffff;
    if (*text == '\0') return -1;
    long number = 0;
    for (; *text != '\0'; ++text) {
        if (*text < '0' || *text > '9') return -1;
        number = number * 10 + (*text - '0');
        if (number > kMost) return -1;
    }
    return static_cast<int>(number);
}

}  // namespace jailsvc::pid1
