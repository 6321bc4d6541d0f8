#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "egress/address.hpp"

namespace jailsvc::egress {

/// What the site says, in a root-owned file that no unit can change. Times in seconds.
struct Settings {
    std::vector<Range> permit_ranges;   ///< refused ranges that are let through
    std::string nameservers;            ///< "192.0.2.1,[2001:db8::1]:53"; empty: /etc/resolv.conf
    std::int64_t connections = 256;     ///< at the same time
    std::int64_t head_timeout = 15;     ///< until the request is there
    std::int64_t connect_timeout = 20;  ///< names looked up and connection made
    std::int64_t idle_timeout = 600;    ///< nothing moved either way
    std::int64_t lifetime = 86400;      ///< of a connection
};

/// TOML; a key that is not known is an error. An empty text is all defaults.
[[nodiscard]] Result<Settings> parse_settings(std::string_view text, const std::string& name);

/// A file that is not there is an empty one.
[[nodiscard]] Result<Settings> read_settings(const std::string& path);

}  // namespace jailsvc::egress
