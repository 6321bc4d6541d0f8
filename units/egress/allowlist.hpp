#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace jailsvc::egress {

/// Where a unit may connect to. Pure.
class Allowlist {
public:
    static constexpr std::size_t kMaxEntries = 1024;

    /// "HOST:PORT", or "*.HOST:PORT" for every name below HOST, itself not among them.
    [[nodiscard]] Result<void> add(std::string_view entry);

    /// `host` as plain_host gives it.
    [[nodiscard]] bool allows(std::string_view host, std::uint16_t port) const;
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        std::string host;  ///< of one with a star: ".example.org"
        std::uint16_t port = 0;
        bool below = false;
    };
    std::vector<Entry> entries_;
};

}  // namespace jailsvc::egress
