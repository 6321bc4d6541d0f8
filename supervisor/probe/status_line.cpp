#include "probe/status_line.hpp"

namespace jailsvc::probe {
namespace {

constexpr char kBegin[] = "HTTP/1.";
constexpr std::size_t kMinor = sizeof kBegin - 1;  ///< where the digit after the point is
constexpr std::size_t kFirstDigit = kMinor + 2;
constexpr std::size_t kAfterStatus = kFirstDigit + 3;

bool is_digit(char byte) noexcept {
    return byte >= '0' && byte <= '9';
}

}  // namespace

/// "HTTP/1.1 200", and then a space or the line's end.
StatusLine::Verdict StatusLine::take_in_line(char byte) noexcept {
    const std::size_t at = at_++;
    bool good = false;
    if (at < kMinor) {
        good = byte == kBegin[at];
    } else if (at == kMinor) {
        good = is_digit(byte);
    } else if (at < kFirstDigit) {
        good = byte == ' ';
    } else if (at < kAfterStatus) {
        good = is_digit(byte);
        status_ = status_ * 10 + static_cast<unsigned>(byte - '0');
    } else {
        good = byte == ' ' || byte == '\r' || byte == '\n';
        if (good && status_ >= 200) return Verdict::kStatus;
        good = good && status_ >= 100;
        interim_ = true;
        line_empty_ = byte == '\n';
    }
    return good ? Verdict::kMore : Verdict::kForeign;
}

StatusLine::Verdict StatusLine::take(char byte) noexcept {
    if (!interim_) return take_in_line(byte);
    if (byte == '\n') {
        if (line_empty_) *this = StatusLine();
        line_empty_ = true;
    } else if (byte != '\r') {
        line_empty_ = false;
    }
    return Verdict::kMore;
}

}  // namespace jailsvc::probe
