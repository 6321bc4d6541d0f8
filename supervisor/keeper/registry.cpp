#include "keeper/registry.hpp"

#include "ipc/channel.hpp"

namespace jailsvc::keeper {
namespace {

bool is_stub(const ipc::Exited& process) noexcept {
    return (process.token & ipc::kStubBit) != 0;
}

}  // namespace

std::size_t Registry::add(const ipc::Register& message) noexcept {
    if (message.pid <= 1 || message.pid > kMaxPid || message.token == 0) return kNone;
    if (by_pid(message.pid) != kNone || processes.find(message.token) != kNone) return kNone;
    const std::size_t slot = processes.add(message.token);
    if (slot == kNone) return kNone;
    auto process = ipc::make<ipc::Exited>();
    process.token = message.token;
    process.pid = message.pid;
    process.purpose = message.purpose;
    ipc::set_text(process.unit, ipc::get_text(message.unit));
    processes[slot] = process;
    by_pid_[message.pid] = static_cast<std::uint16_t>(slot + 1);
    return slot;
}

void Registry::end(std::size_t slot, const ipc::Exited& ending) noexcept {
    ipc::Exited& process = processes[slot];
    by_pid_[process.pid] = 0;
    if (is_stub(process)) return processes.remove(slot);
    process.status = ending.status;
    process.ended_ns = ending.ended_ns;
    process.user_us = ending.user_us;
    process.system_us = ending.system_us;
    process.max_rss_kib = ending.max_rss_kib;
    processes.mark(ipc::Role::kEngine, slot);
}

void Registry::acknowledge(ipc::Token token) noexcept {
    const std::size_t slot = token != 0 ? processes.find(token) : kNone;
    if (slot != kNone && processes[slot].ended_ns != 0) processes.remove(slot);
}

void Registry::mark_snapshot(ipc::Role role) noexcept {
    if (role == ipc::Role::kLogger) return;
    processes.for_each([&](std::size_t slot) {
        // The engine knows nothing of stubs: they are the jailer's own.
        if (role == ipc::Role::kJailer || !is_stub(processes[slot])) processes.mark(role, slot);
    });
}

}  // namespace jailsvc::keeper
