#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

namespace jailsvc::logger {

/// Counts what one run of a unit writes, and lets through no more than so many bytes of it.
class OutputCap {
public:
    /// The part of `bytes` that still fits; what follows it is dropped.
    [[nodiscard]] std::string_view admit(std::string_view bytes, std::uint64_t most) {
        if (std::exchange(over_, false)) *this = {};
        const std::uint64_t room = most > passed_ ? most - passed_ : 0;
        const auto fits = static_cast<std::size_t>(std::min<std::uint64_t>(room, bytes.size()));
        passed_ += fits;
        dropped_ += bytes.size() - fits;
        return bytes.substr(0, fits);
    }
    /// Once for each run that reached it.
    [[nodiscard]] bool take_reached() { return dropped_ > 0 && !std::exchange(reached_, true); }

    /// The next bytes are another run's. Until they come the answer stays the same, for an engine
    /// that has to ask again.
    [[nodiscard]] std::uint64_t close() {
        over_ = true;
        return dropped_;
    }
    /// Once for each end of a run.
    [[nodiscard]] bool take_told() { return !std::exchange(told_, true); }

private:
    std::uint64_t passed_ = 0;
    std::uint64_t dropped_ = 0;
    bool over_ = false;
    bool reached_ = false;
    bool told_ = false;
};

}  // namespace jailsvc::logger
