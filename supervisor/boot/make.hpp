#pragma once

#include <linux/limits.h>

#include "base/fd.hpp"

/// What is made once, before the loop. Each is empty after an error, which was reported.
namespace jailsvc::boot {

/// Open stdio, nothing else inherited; signals as after boot, all of them blocked; we are the
/// parent of what we start and whatever that leaves behind; short time slices, which the three
/// inherit.
void prepare_process() noexcept;

/// Finds a program of ours beside this one or in ../lib/jailsvc.
[[nodiscard]] bool find_program(const char* name, char (&path)[PATH_MAX]) noexcept;

/// Whether nobody but root and ourselves can put other things in place of what is in a directory:
/// it belongs to one of the two, and others may not write there, or not touch what is not theirs
/// (the sticky bit, inode(7)); a missing one is left to those who read it. If not, or if it cannot
/// be looked at, that was reported.
[[nodiscard]] bool is_trusted(const char* directory) noexcept;

/// Whether everybody can get through to what is in a directory, as the engine and the logger have
/// to, who are not root. If not, that was reported.
[[nodiscard]] bool is_reachable(const char* directory) noexcept;

/// The run directory, made if missing and locked for PID 1's lifetime against a second supervisor.
[[nodiscard]] Fd lock_run_directory(const char* path) noexcept;

/// The listening socket RUN/control. The run directory must be locked.
[[nodiscard]] Fd open_control(const char* run) noexcept;

/// memfd of ipc::kStateSize that can neither shrink nor grow.
[[nodiscard]] Fd make_state() noexcept;

/// The signals that the keeper is told of.
[[nodiscard]] Fd open_signals() noexcept;

/// The program in a sealed memfd, so that no disk is needed to execute it. Where the kernel forbids
/// that (sysctl vm.memfd_noexec): its file, opened.
[[nodiscard]] Fd load_program(const char* path) noexcept;

}  // namespace jailsvc::boot
