#include "egress/http_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace jailsvc::egress {
namespace {

constexpr std::size_t kMaxLine = 4096;  ///< of a chunk's size with its extensions, or of a trailer
constexpr std::size_t kMaxTrailers = 64;
constexpr std::size_t kMaxSizeDigits = 15;

}  // namespace

HttpBody::HttpBody(bool chunked, std::uint64_t length)
    : chunked_(chunked),
      left_(length),
      state_(chunked || length > 0 ? State::kMore : State::kDone) {}

HttpBody::State HttpBody::take(std::string& input, std::string& output) {
    if (state_ != State::kMore) return state_;
    if (chunked_) return state_ = take_chunks(input, output);
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
    output.append(input, 0, part);
    input.erase(0, part);
    left_ -= part;
    return state_ = left_ == 0 ? State::kDone : State::kMore;
}

/// Hexadecimal; extensions after ';' are passed over (RFC 9112, section 7.1.1).
bool HttpBody::take_size(std::string_view line) {
    line = line.substr(0, line.find(';'));
    while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);
    if (line.empty() || line.size() > kMaxSizeDigits) return false;
    const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
    return code == std::errc() && end == line.data() + line.size();
}

HttpBody::State HttpBody::take_chunks(std::string& input, std::string& output) {
    std::size_t used = 0;
    const auto stop = [&](State state) {
        input.erase(0, used);
        return state;
    };
    while (true) {
        const std::string_view rest = std::string_view(input).substr(used);
        if (step_ == Step::kData) {
            const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
            // Each piece is a chunk of its own: how the client cut them is nobody's business.
            if (part > 0) output += fmt::format("{:x}\r\n{}\r\n", part, rest.substr(0, part));
            used += part;
            left_ -= part;
            if (left_ > 0) return stop(State::kMore);
            step_ = Step::kDataEnd;
            continue;
        }
        const auto end = rest.find('\n');
        if (end == std::string_view::npos) {
            return stop(rest.size() > kMaxLine ? State::kBroken : State::kMore);
        }
        // A line ends in CR LF alone.
        if (end > kMaxLine || end == 0 || rest[end - 1] != '\r') return stop(State::kBroken);
        const std::string_view line = rest.substr(0, end - 1);
        if (line.find('\r') != std::string_view::npos) return stop(State::kBroken);
        used += end + 1;
        if (step_ == Step::kDataEnd) {
            if (!line.empty()) return stop(State::kBroken);
            step_ = Step::kSize;
        } else if (step_ == Step::kSize) {
            if (!take_size(line)) return stop(State::kBroken);
            step_ = left_ > 0 ? Step::kData : Step::kTrailer;
        } else if (line.empty()) {
            output += "0\r\n\r\n";  // trailers are left out, as "Trailer" was
            return stop(State::kDone);
        } else if (++trailers_ > kMaxTrailers) {
            return stop(State::kBroken);
        }
    }
}

}  // namespace jailsvc::egress
