#pragma once

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <cstddef>
#include <cstdint>

/// The two things that differ from machine to machine: how a stopped process's system call is taken
/// back, and how it gets another result.
namespace jailsvc::faults {

#if defined(__x86_64__)

/// At the entry: number -1 is no call; the kernel goes on to the exit (ptrace(2), seccomp(2)).
inline bool skip_call(pid_t pid) {
    return ::ptrace(PTRACE_POKEUSER, pid, offsetof(user_regs_struct, orig_rax), -1L) == 0;
}
inline bool set_result(pid_t pid, long result) {
    return ::ptrace(PTRACE_POKEUSER, pid, offsetof(user_regs_struct, rax), result) == 0;
}

#elif defined(__aarch64__)

inline constexpr int kSystemCall = 0x404;  // NT_ARM_SYSCALL of linux/elf.h

inline bool skip_call(pid_t pid) {
    int none = -1;
    iovec part{&none, sizeof none};
    return ::ptrace(PTRACE_SETREGSET, pid, kSystemCall, &part) == 0;
}
inline bool set_result(pid_t pid, long result) {
    user_regs_struct registers{};
    iovec part{&registers, sizeof registers};
    if (::ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part) == -1) return false;
    registers.regs[0] = static_cast<std::uint64_t>(result);
    return ::ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &part) == 0;
}

#endif

}  // namespace jailsvc::faults
