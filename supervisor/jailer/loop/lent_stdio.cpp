#include "jailer/loop/lent_stdio.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "jailer/loop/exec_request.hpp"

namespace jailsvc::jailer {
namespace {

/// Jobs whose start has not come: each holds a descriptor.
constexpr std::size_t kMaxSockets = 256;

}  // namespace

void LentStdio::lend(const std::string& unit, Fd socket) {
    // Full of what nobody fetches: the start says that there is nothing.
    if (sockets_.size() >= kMaxSockets && !sockets_.contains(unit)) return;
    sockets_.insert_or_assign(unit, std::move(socket));
}

Result<void> LentStdio::give(const std::string& name, const config::JobTable& job, Program& program,
                             Held& held) {
    if (!job.is_lent_stdio()) return {};
    const auto at = sockets_.find(name);
    if (at == sockets_.end()) {
        return fail("its standard input was lent for another start, or never; run it anew", ENOENT);
    }
    const Fd socket = std::move(at->second);
    sockets_.erase(at);
    // It was sent before the engine was asked; nobody is waited for.
    TRY(auto lent, receive_lend_request(socket.get(), ::geteuid()));
    if (!lent) return fail("the client has lent no descriptors", ENOENT);
    if (lent->unit != name) {
        return fail(fmt::format("what was lent is for {}, not for {}", lent->unit, name), EPERM);
    }
    for (std::size_t i = 0; i < held.size(); ++i) held[i] = std::move(lent->stdio[i]);
    program.stdin_fd = held[0].get();
    if (!job.terminal) return {};
    program.stdout_fd = held[1].get();
    program.stderr_fd = held[2].get();
    program.terminal = true;
    return {};
}

}  // namespace jailsvc::jailer
