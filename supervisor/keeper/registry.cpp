#include "keeper/registry.hpp"

#include <cstring>

namespace jailsvc::keeper {
namespace {

std::uint64_t microseconds(const timeval& time) noexcept {
    return static_cast<std::uint64_t>(time.tv_sec) * 1000000U +
           static_cast<std::uint64_t>(time.tv_usec);
}

bool is_stub(const Process& process) noexcept {
    return (process.token & ipc::kStubBit) != 0;
}

}  // namespace

Ending make_ending(pid_t pid, int status, const rusage& usage, std::uint64_t now_ns) noexcept {
    return {pid,
            status,
            now_ns,
            microseconds(usage.ru_utime),
            microseconds(usage.ru_stime),
            static_cast<std::uint64_t>(usage.ru_maxrss)};
}

std::size_t Registry::add(const ipc::Register& message) noexcept {
    if (by_token(message.token) != kNone) return kNone;
    const std::size_t slot = slots.allocate();
    if (slot == kNone) return kNone;
    Process& process = slots[slot];
    process.token = message.token;
    process.pid = message.pid;
    process.purpose = message.purpose;
    std::memcpy(process.unit, message.unit, sizeof process.unit);
    process.unit[sizeof process.unit - 1] = '\0';
    tokens_.add(process.token, slot);
    pids_.add(static_cast<std::uint64_t>(process.pid), slot);
    return slot;
}

std::size_t Registry::by_pid(pid_t pid) const noexcept {
    return pids_.find(static_cast<std::uint64_t>(pid),
                      [&](std::size_t slot) { return slots[slot].pid == pid; });
}

std::size_t Registry::by_token(ipc::Token token) const noexcept {
    return tokens_.find(token, [&](std::size_t slot) { return slots[slot].token == token; });
}

void Registry::end(std::size_t slot, const Ending& ending) noexcept {
    Process& process = slots[slot];
    pids_.remove(static_cast<std::uint64_t>(process.pid), slot);
    process.ended = true;
    process.ending = ending;
    if (is_stub(process)) return forget(slot);
    slots.mark(ipc::Role::kEngine, slot);
}

bool Registry::acknowledge(ipc::Token token) noexcept {
    const std::size_t slot = by_token(token);
    if (slot == kNone || !slots[slot].ended) return false;
    forget(slot);
    return true;
}

void Registry::mark_snapshot(ipc::Role role) noexcept {
    for (std::size_t slot = 0; slot < slots.end(); ++slot) {
        // The engine knows nothing of stubs: they are the jailer's own.
        const bool hidden = role == ipc::Role::kEngine && is_stub(slots[slot]);
        if (slots.used(slot) && !hidden) slots.mark(role, slot);
    }
}

void Registry::forget(std::size_t slot) noexcept {
    tokens_.remove(slots[slot].token, slot);
    slots.release(slot);
}

}  // namespace jailsvc::keeper
