#pragma once

#include <string>

#include "ipc/messages.hpp"

namespace jailsvc::jailer {

/// The variable that names one run of a service, as systemd.exec(5) has it.
inline constexpr const char* kInvocation = "INVOCATION_ID";

/// 32 hexadecimal digits for the jail whose first start had this token: the same from a jailer
/// after us, another from every other keeper, boot and run.
[[nodiscard]] std::string invocation_id(const std::string& unit, ipc::Token token);

}  // namespace jailsvc::jailer
