#pragma once

#include <cstdint>
#include <string>

#include "egress/reason.hpp"

namespace jailsvc::egress {

/// What is told of a connection.
struct AuditEntry {
    std::string unit;
    std::uint64_t connection = 0;  ///< number of it, in this run of the proxy
    std::string protocol;          ///< "http", "connect", "socks5"; empty: it said nothing
    std::string host;              ///< as the client wrote it, cut to a length
    std::uint16_t port = 0;
    std::string address;  ///< that was connected to, or refused
    std::string range;    ///< why an address was refused
    Reason reason = Reason::kAllowed;
    std::uint64_t sent = 0, received = 0;  ///< [bytes], from the unit and to it
    std::uint64_t milliseconds = 0;        ///< how long it was there
};

enum class AuditEvent : std::uint8_t { kOpen, kClose, kDenied };

/// One line of JSON with its newline: ASCII, under 2 KiB, whatever is in the fields.
[[nodiscard]] std::string audit_line(AuditEvent event, const AuditEntry& entry);

/// Writes the line to standard output, whole. Nothing is let through while nobody takes it: the
/// supervisor's logger does, and does not wait for a disk.
void audit(AuditEvent event, const AuditEntry& entry);

}  // namespace jailsvc::egress
