#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "egress/reason.hpp"

namespace jailsvc::egress {

/// Why a host is refused, as an Error's code: the Reason. kBadHost or kIpLiteral.
using HostResult = std::expected<std::string, Reason>;

/// The one way to write a host that a client names: lower case, without a dot at its end, at most
/// 253 bytes, labels of letters, digits, '-' and '_' (which names of services have). What an
/// address could be taken for by inet_aton(3) or a URL parser, such as "0x7f.1", "2130706433" or
/// "[::1]", is no name: its last label is a number. A name of another script comes in its ASCII
/// form ("xn--…").
[[nodiscard]] HostResult plain_host(std::string_view text);

/// The same for a name that people wrote: other scripts become their ASCII form (IDNA 2008).
[[nodiscard]] HostResult host_from_people(std::string_view text);

/// A port in decimal, 1 to 65535; 0 for anything else.
[[nodiscard]] std::uint16_t parse_port(std::string_view text);

}  // namespace jailsvc::egress
