#pragma once

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "filter.hpp"
#include "promises.hpp"

/// For tests: what the kernel would say of a call under a compiled filter.
namespace pledge {

#if defined(__x86_64__)
inline constexpr std::uint32_t kNative = AUDIT_ARCH_X86_64;
#else
inline constexpr std::uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif
inline constexpr std::uint32_t kDenied = SECCOMP_RET_ERRNO | EPERM;

/// The kernel's verdict on a call: what classic BPF means, for the few instructions that a filter
/// has (Documentation/networking/filter.rst).
inline std::uint32_t verdict(const std::vector<sock_filter>& program, const seccomp_data& data) {
    std::uint32_t a = 0;
    for (std::size_t pc = 0; pc < program.size(); ++pc) {
        const sock_filter& i = program[pc];
        switch (i.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                if (i.k + sizeof a > sizeof data) FAIL("reads beyond the call");
                std::memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, sizeof a);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                a &= i.k;
                break;
            case BPF_JMP | BPF_JA:
                pc += i.k;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                pc += a == i.k ? i.jt : i.jf;
                break;
            case BPF_JMP | BPF_JGT | BPF_K:
                pc += a > i.k ? i.jt : i.jf;
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                pc += a >= i.k ? i.jt : i.jf;
                break;
            case BPF_RET | BPF_K:
                return i.k;
            default:
                FAIL("an instruction that no filter of ours has: " << i.code);
        }
    }
    FAIL("ran off the end");
    return 0;
}

using Arguments = std::array<std::uint64_t, 6>;

inline std::uint32_t ask(const std::vector<sock_filter>& program, int number,
                         Arguments arguments = {}, std::uint32_t arch = kNative) {
    seccomp_data data{};
    data.nr = number;
    data.arch = arch;
    std::ranges::copy(arguments, data.args);
    return verdict(program, data);
}

inline int number(std::string_view call) {
    const int known = ::seccomp_syscall_resolve_name(std::string(call).c_str());
    return known != __NR_SCMP_ERROR ? known : recent_number(call).value_or(-1);
}

inline std::vector<sock_filter> make(Promises promises, Violation violation = Violation::kErrno) {
    Filter filter = compile(promises, violation);
    REQUIRE(filter.error == "");
    return filter.program;
}

inline constexpr Promises kAll = (kSysvipc << 1) - 1;

}  // namespace pledge
