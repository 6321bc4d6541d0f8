#pragma once

#include <termios.h>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace jailsvc::ctl {

/// The user's terminal while a command runs in a jail: where stdin and stdout are one, the command
/// gets a pseudo-terminal, and what is typed and shown is relayed. Otherwise it passes through.
/// Restores the terminal's modes when destroyed.
class Terminal {
public:
    [[nodiscard]] static Result<Terminal> open_if_interactive();
    /// Everything passes through.
    [[nodiscard]] static Result<Terminal> none() { return Terminal(); }
    Terminal(Terminal&& other) noexcept;
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    Terminal& operator=(Terminal&&) = delete;
    ~Terminal();

    /// What the command gets in place of our descriptor `fd`.
    [[nodiscard]] int inner(int fd) const { return inner_ ? inner_.get() : fd; }
    [[nodiscard]] bool interactive() const { return bool{outer_}; }
    /// Closes our copy of the command's end, so that its end is seen.
    void forget_inner() { inner_ = Fd(); }

    /// Relays until `socket` is readable and the command's output has been shown; false: for
    /// `wait_ms` nothing has come from anywhere.
    [[nodiscard]] bool relay(int socket, int wait_ms);

private:
    Terminal() = default;
    void match_window_size() const;

    Fd outer_;  ///< our end of the pseudo-terminal; empty: not interactive
    Fd inner_;
    Fd resized_;  ///< tells of changes of the window's size
    bool keyboard_open_ = true;
    bool output_open_ = true;
    termios before_{};
};

}  // namespace jailsvc::ctl
