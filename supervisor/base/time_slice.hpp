#pragma once

#include <sys/syscall.h>

#include <cstdint>

#include "base/raw_call.hpp"

namespace jailsvc {

/// Of our own processes [ns]: the shortest that the kernel grants. They do little at a time, and a
/// start goes through all of them.
inline constexpr std::uint64_t kPromptSliceNs = 100'000;

/// Asks for turns of that length; 0: the kernel's own. Whoever asks for short ones waits less for
/// them when the machine is busy, and gets no larger a share of it (Linux 6.12;
/// Documentation/scheduler/sched-eevdf.rst, "sched_setattr"). Children inherit it. No promise:
/// older kernels pay no heed, and a process under another policy than SCHED_OTHER keeps what it
/// has. Callable between clone and exec.
inline void ask_for_time_slice(std::uint64_t slice_ns) noexcept {
    // struct sched_attr of linux/sched/types.h, which clashes with glibc's sched.h; first version.
    struct {
        std::uint32_t size, policy;
        std::uint64_t flags;
        std::int32_t nice;
        std::uint32_t priority;
        std::uint64_t runtime, deadline, period;
    } attributes{};
    attributes.size = sizeof attributes;
    const long address = reinterpret_cast<long>(&attributes);
    if (raw::call6(SYS_sched_getattr, 0, address, sizeof attributes, 0, 0, 0) < 0) return;
    if (attributes.policy != 0) return;
    attributes.runtime = slice_ns;
    raw::call6(SYS_sched_setattr, 0, address, 0, 0, 0, 0);
}

}  // namespace jailsvc
