#pragma once

#include <string>
#include <string_view>

#include "jailer/cgroup/tree.hpp"
#include "jailer/loop/link.hpp"
#include "jailer/loop/start_failure.hpp"

/// The packets the jailer sends, one function each.
namespace jailsvc::jailer::tell {

// To the keeper.
void hello(Link& keeper);
void intent(Link& keeper, ipc::Token token);
void registered(Link& keeper, ipc::Token token, pid_t pid, ipc::Purpose purpose,
                std::string_view unit, int pidfd);
void abandon(Link& keeper, ipc::Token token);
void store(Link& keeper, ipc::Kept kind, ipc::Token token, std::string_view unit, int fd,
           std::uint16_t index = 0);
void unstore(Link& keeper, ipc::Kept kind, ipc::Token token, std::string_view unit,
             std::uint16_t index = 0);

// To the engine.
[[nodiscard]] ipc::Started make_started(ipc::Token token, std::string_view unit, pid_t pid,
                                        std::uint32_t weakened, std::uint64_t exec_ns);
[[nodiscard]] ipc::StartFailed make_failed(ipc::Token token, std::string_view unit,
                                           const StartFailure& failure);
void torn_down(Link& engine, ipc::Token token, std::string_view unit);
void plan_reply(Link& engine, std::uint64_t serial, bool ok, std::string_view text);
void stats_reply(Link& engine, std::uint64_t serial, std::uint64_t pss_kib,
                 std::uint64_t processes);
/// The text of the unit as it runs now, or why nothing has changed.
void property_set(Link& engine, std::uint64_t serial, std::string_view unit, bool ok,
                  std::string_view text);
void pressure(Link& engine, const cgroup::PressureEvent& event);
/// Where the engine finds what the kernel counts for units.
void groups(Link& engine, cgroup::Tree& tree);
void schema(Link& engine, std::string_view json);

}  // namespace jailsvc::jailer::tell
