#include "keeper/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

namespace jailsvc::keeper {

void log(const char* format, ...) noexcept {
    char line[512] = "jailsvc-init: ";
    constexpr int kPrefix = 14;
    va_list arguments;
    va_start(arguments, format);
    // Numbers and strings only, so that printf stays off the heap.
    int length =
        kPrefix + ::vsnprintf(line + kPrefix, sizeof line - kPrefix - 1, format, arguments);
    va_end(arguments);
    if (length > static_cast<int>(sizeof line) - 2) length = sizeof line - 2;
    line[length++] = '\n';
    // A pipe that polls writable takes PIPE_BUF bytes without blocking (pipe(7)).
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
    if (::write(STDERR_FILENO, line, static_cast<std::size_t>(length)) < 0) return;
}

}  // namespace jailsvc::keeper
