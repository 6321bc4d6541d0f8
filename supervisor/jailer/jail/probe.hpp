#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "config/unit.hpp"
#include "jailer/jail/jail.hpp"

/// jailsvc-probe in a unit's jail: what it runs as, and what it is told.
namespace jailsvc::jailer {

/// The program in sealed memory, executable and readable for nobody: so its process cannot be
/// traced, nor its memory be written, by a service of the same user, from its first instruction on
/// (would_dump in the kernel's fs/exec.c). It may open sockets, which the service may not.
[[nodiscard]] Result<Fd> hold_probe(const std::string& path);

/// What such a process gets of the unit's plan: namespaces, user and groups. In place of the unit's
/// capabilities, limits and promises it has its own: no capability, and a filter that lets it make
/// one connection and speak over it, and execute once.
[[nodiscard]] Result<CompiledPlan> make_probe_plan(const CompiledPlan& unit);

/// Its arguments for a check that is no exec.
[[nodiscard]] Result<std::vector<std::string>> probe_arguments(const config::HealthTable& health);

}  // namespace jailsvc::jailer
