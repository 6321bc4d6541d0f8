#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace jailsvc::config {

/// Where a stream of output goes: a set of the logger's sinks, or one file that the program appends
/// to by itself. Neither: nowhere.
struct Sinks {
    enum Sink : std::uint8_t {
        kLog = 1,         ///< the unit's log file
        kJournal = 2,     ///< systemd's journal, by its native protocol
        kSyslog = 4,      ///< /dev/log, RFC 3164
        kSyslog5424 = 8,  ///< /dev/log, RFC 5424
        kConsole = 16,    ///< /dev/console
        kContainer = 32,  ///< standard output of jailsvc-init
    };
    std::uint8_t set = 0;
    std::string file;
};

/// "log+journal", "null", "file:/var/log/web.out"; an error names what is wrong and what there is.
[[nodiscard]] Result<Sinks> parse_sinks(std::string_view text);

}  // namespace jailsvc::config
