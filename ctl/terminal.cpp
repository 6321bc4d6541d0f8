#include "terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

#include "base/sys.hpp"

namespace jailsvc::ctl {
namespace {

void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
}

/// Copies what is there; false at the end of the source.
bool copy_some(int from, int to) {
    char block[4096];
    const ssize_t count = ::read(from, block, sizeof block);
    if (count < 0) return errno == EINTR || errno == EAGAIN;
    if (count == 0) return false;
    write_all(to, {block, static_cast<std::size_t>(count)});
    return true;
}

Fd window_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGWINCH);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    return Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

Terminal::Terminal(Terminal&& other) noexcept
    : outer_(std::move(other.outer_)), inner_(std::move(other.inner_)), before_(other.before_) {}

Terminal::~Terminal() {
    if (outer_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

Result<Terminal> Terminal::open_if_interactive() {
    Terminal terminal;
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) return terminal;
    Fd outer(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!outer || ::unlockpt(outer.get()) == -1) return fail_errno("make a pseudo-terminal");
    char name[64];
    if (::ptsname_r(outer.get(), name, sizeof name) != 0) return fail_errno("ptsname");
    TRY(terminal.inner_, sys::open(name, O_RDWR | O_NOCTTY));
    if (::tcgetattr(STDIN_FILENO, &terminal.before_) == -1) return fail_errno("tcgetattr");
    termios raw = terminal.before_;
    ::cfmakeraw(&raw);
    if (::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == -1) return fail_errno("tcsetattr");
    terminal.outer_ = std::move(outer);  // from here on the destructor restores the modes
    terminal.match_window_size();
    return terminal;
}

void Terminal::match_window_size() const {
    winsize size{};
    if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ::ioctl(outer_.get(), TIOCSWINSZ, &size);
}

bool Terminal::relay(int socket, int wait_ms) {
    if (outer_ && !resized_) resized_ = window_signals();
    // poll(2) passes over negative descriptors: without a terminal of its own there is but a reply.
    pollfd watched[] = {{outer_ && keyboard_open_ ? STDIN_FILENO : -1, POLLIN, 0},
                        {outer_ && output_open_ ? outer_.get() : -1, POLLIN, 0},
                        {outer_ ? resized_.get() : -1, POLLIN, 0},
                        {socket, POLLIN, 0}};
    auto& [keyboard, output, window, reply] = watched;
    for (;;) {
        const int ready = ::poll(watched, std::size(watched), wait_ms);
        if (ready == 0) return false;
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return true;  // to be found by who reads the reply
        if (window.revents != 0) {
            signalfd_siginfo info;
            (void)!::read(resized_.get(), &info, sizeof info);
            match_window_size();
        }
        // A closed keyboard, or an output whose last holder is gone (EIO), is no longer watched.
        if (keyboard.revents != 0) keyboard_open_ = copy_some(STDIN_FILENO, outer_.get());
        if (!keyboard_open_) keyboard.fd = -1;
        const bool output_waits = (output.revents & POLLIN) != 0;
        if (output.revents != 0) output_open_ = copy_some(outer_.get(), STDOUT_FILENO);
        if (!output_open_) output.fd = -1;
        if (reply.revents != 0 && !output_waits) return true;
    }
}

}  // namespace jailsvc::ctl
