#include "engine/messages.hpp"

#include <sys/wait.h>

#include "ipc/channel.hpp"

namespace jailsvc::engine {

service::ExitInfo exit_info(const ipc::Exited& exited) {
    const bool killed = WIFSIGNALED(exited.status);
    return {.by_signal = killed,
            .code = killed ? WTERMSIG(exited.status) : WEXITSTATUS(exited.status),
            .ended_ns = exited.ended_ns,
            .cpu_us = exited.user_us + exited.system_us,
            .max_rss_kib = exited.max_rss_kib};
}

std::string_view without_unit(std::string_view text, std::string_view unit) {
    const bool begins = text.starts_with(unit) && text.substr(unit.size()).starts_with(": ");
    return begins ? text.substr(unit.size() + 2) : text;
}

service::LaunchFailure launch_failure(const ipc::StartFailed& failed) {
    return {
        .code = failed.code,
        .plugin = std::string(ipc::get_text(failed.plugin)),
        .operation = std::string(ipc::get_text(failed.operation)),
        .text = std::string(without_unit(ipc::get_text(failed.text), ipc::get_text(failed.unit)))};
}

std::optional<ipc::ShutdownKind> shutdown_kind(std::string_view name) {
    using ipc::ShutdownKind;
    static constexpr struct {
        std::string_view name;
        ShutdownKind kind;
    } kKinds[] = {{"exit", ShutdownKind::kExit},     {"poweroff", ShutdownKind::kPowerOff},
                  {"reboot", ShutdownKind::kReboot}, {"halt", ShutdownKind::kHalt},
                  {"kexec", ShutdownKind::kKexec},   {"soft-reboot", ShutdownKind::kSoftReboot}};
    for (const auto& row : kKinds) {
        if (row.name == name) return row.kind;
    }
    return std::nullopt;
}

}  // namespace jailsvc::engine
