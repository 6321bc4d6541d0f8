#pragma once

#include "base/result.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/loop/core.hpp"

/// The way out of a jail without network: docs/EGRESS.md. The proxy is a unit of its own, and gets
/// from here what it must not be told by the jail: what that may reach, and which connections are
/// that jail's.
namespace jailsvc::jailer {

/// Before the jail is made: writes what the plan's JSV_OP_EGRESS allow to where the proxy reads it.
/// The mount of the directory that the jail gets is added to `work`.
[[nodiscard]] Result<void> give_way_out(Core& core, const LoadedUnit& loaded, ParentWork& work);

/// Before any program is let into a new jail: opens the proxy's port on the loopback of its
/// network, and hands that to the proxy, which has to listen on the unit's socket by now.
[[nodiscard]] Result<void> give_proxy_on_loopback(Core& core, const LoadedUnit& loaded,
                                                  int stub_pidfd);

}  // namespace jailsvc::jailer
