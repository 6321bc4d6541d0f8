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

/// Of the chunk, as much as is there. Each piece is a chunk of its own: how the client cut them is
/// nobody's business.
std::size_t HttpBody::take_data(std::string_view rest, std::string& output) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
    if (part > 0) output += fmt::format("{:x}\r\n{}\r\n", part, rest.substr(0, part));
    left_ -= part;
    if (left_ == 0) step_ = Step::kDataEnd;
    return part;
}

HttpBody::State HttpBody::take_line(std::string_view line, std::string& output) {
    switch (step_) {
        case Step::kDataEnd:
            step_ = Step::kSize;
            return line.empty() ? State::kMore : State::kBroken;
        case Step::kSize:
            if (!take_size(line)) return State::kBroken;
            step_ = left_ > 0 ? Step::kData : Step::kTrailer;
            return State::kMore;
        case Step::kTrailer:
            if (!line.empty()) return ++trailers_ > kMaxTrailers ? State::kBroken : State::kMore;
            output += "0\r\n\r\n";  // trailers are left out, as "Trailer" was
            return State::kDone;
        case Step::kData:
            break;
    }
    return State::kBroken;
}

HttpBody::State HttpBody::take_chunks(std::string& input, std::string& output) {
    std::size_t used = 0;
    State state = State::kMore;
    while (state == State::kMore) {
        const std::string_view rest = std::string_view(input).substr(used);
        if (step_ == Step::kData) {
            if (rest.empty()) break;
            used += take_data(rest, output);
            continue;
        }
        const auto end = rest.find('\n');
        if (end == std::string_view::npos) {
            if (rest.size() > kMaxLine) state = State::kBroken;
            break;
        }
        // A line ends in CR LF alone, and has no other CR.
        const bool good = end <= kMaxLine && end > 0 && rest.find('\r') == end - 1;
        state = good ? take_line(rest.substr(0, end - 1), output) : State::kBroken;
        used += end + 1;
    }
    input.erase(0, used);
    return state;
}

}  // namespace jailsvc::egress
