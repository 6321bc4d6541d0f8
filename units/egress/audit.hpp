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

/// Whether a refusal is told: a jail that asks for what it may not a thousand times a second would
/// otherwise write away, as logs are rotated, what it did before. Pure.
class RefusalLimit {
public:
    static constexpr std::uint32_t kPerSecond = 50;

    /// `second`: of any clock that goes on.
    [[nodiscard]] bool take(std::uint64_t second);
    /// Those that were not told in seconds that are over; 0 from then on.
    [[nodiscard]] std::uint64_t untold(std::uint64_t second);

private:
    std::uint64_t second_ = 0;
    std::uint32_t told_ = 0;
    std::uint64_t untold_ = 0;
};

/// Writes the line to standard output, whole. Nothing is let through while nobody takes it: the
/// supervisor's logger does, and does not wait for a disk. Of refusals beyond RefusalLimit the
/// number is told, with the next line.
void audit(AuditEvent event, const AuditEntry& entry);

}  // namespace jailsvc::egress
