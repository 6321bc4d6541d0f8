#include "keeper/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace jailsvc::keeper {

int log(const char* format, ...) noexcept {
    char line[512] = "jailsvc-init: ";
    constexpr int kPrefix = 14;
    va_list arguments;
    va_start(arguments, format);
    // Numbers and strings only, so that printf stays off the heap.
    const int text = ::vsnprintf(line + kPrefix, sizeof line - kPrefix - 1, format, arguments);
    va_end(arguments);
    const std::size_t end = std::min(sizeof line - 2, static_cast<std::size_t>(kPrefix + text));
    line[end] = '\n';
    // A pipe that polls writable takes PIPE_BUF bytes without blocking (pipe(7)).
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return -1;
    if (::write(STDERR_FILENO, line, end + 1) < 0) return -1;
    return -1;
}

}  // namespace jailsvc::keeper
