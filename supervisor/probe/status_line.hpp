#pragma once

#include <cstddef>

namespace jailsvc::probe {

/// Finds the status of an HTTP/1 answer in its bytes, as they come; keeps none of them. Interim
/// answers (1xx) are passed over (RFC 9110, 15.2).
class StatusLine {
public:
    enum class Verdict { kMore, kStatus, kForeign };
    [[nodiscard]] Verdict take(char byte) noexcept;
    [[nodiscard]] unsigned status() const noexcept { return status_; }

private:
    [[nodiscard]] Verdict take_in_line(char byte) noexcept;

    std::size_t at_ = 0;  ///< in the status line
    unsigned status_ = 0;
    bool interim_ = false;     ///< until the empty line behind it
    bool line_empty_ = false;  ///< so far
};

}  // namespace jailsvc::probe
