#include "logger/rate_limit.hpp"

#include <algorithm>

namespace jailsvc::logger {
namespace {

constexpr std::uint64_t kBurstSeconds = 10;
constexpr std::uint64_t kSecond = 1'000'000;

}  // namespace

void RateLimit::refill(std::uint64_t rate, std::uint64_t now_us) {
    const std::uint64_t most = rate * kBurstSeconds;
    const bool first = last_us_ == 0;
    const std::uint64_t past = now_us > last_us_ ? now_us - last_us_ : 0;
    if (first || past >= kBurstSeconds * kSecond) {
        free_ = most;
    } else {
        const double earned = static_cast<double>(rate) * static_cast<double>(past) / kSecond;
        // Less than a byte is waited for: the time is not taken as used.
        if (earned < 1) return;
        free_ = std::min(most, free_ + static_cast<std::uint64_t>(earned));
    }
    last_us_ = now_us;
    if (free_ >= std::min(rate, most)) shut_ = false;
}

void RateLimit::drop(std::string_view bytes) {
    if (bytes.empty()) return;
    dropped_.bytes += bytes.size();
    dropped_.lines += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
    in_dropped_line_ = bytes.back() != '\n';
    if (in_dropped_line_) ++dropped_.lines;
}

RateLimit::Verdict RateLimit::admit(std::string_view bytes, std::uint64_t rate,
                                    std::uint64_t now_us) {
    refill(rate, now_us);
    Verdict verdict;
    if (in_dropped_line_) {
        const std::size_t end = bytes.find('\n');
        verdict.skipped = end == std::string_view::npos ? bytes.size() : end + 1;
        dropped_.bytes += verdict.skipped;
        if (end == std::string_view::npos) return verdict;
        in_dropped_line_ = false;
        bytes.remove_prefix(verdict.skipped);
    }
    if (!shut_ && bytes.size() <= free_) {
        verdict.passed = bytes.size();
    } else {
        const std::size_t most = shut_ ? 0 : static_cast<std::size_t>(free_);
        verdict.passed = bytes.substr(0, most).rfind('\n') + 1;  // npos + 1 is 0
        verdict.cut = !shut_;
        shut_ = true;
        drop(bytes.substr(verdict.passed));
    }
    free_ -= std::min<std::uint64_t>(free_, verdict.passed);
    return verdict;
}

std::optional<RateLimit::Dropped> RateLimit::take_dropped(std::uint64_t rate,
                                                          std::uint64_t now_us) {
    refill(rate, now_us);
    if (shut_ || dropped_.lines == 0) return std::nullopt;
    const Dropped told = dropped_;
    dropped_ = {};
    return told;
}

}  // namespace jailsvc::logger
