#include "logger/stamper.hpp"

#include <algorithm>

#include "base/clock.hpp"

namespace jailsvc::logger {
namespace {

std::uint8_t bit_of(LineMark mark) {
    return mark == LineMark::kStderr ? 4 : mark == LineMark::kStdout ? 2 : 1;
}

}  // namespace

Moment Moment::now() noexcept {
    return {jailsvc::realtime_ns(), jailsvc::boottime_ns()};
}

/// Ends the open line before its end.
void Stamper::break_line(std::string& out) {
    out += '\n';
    open_length_ = 0;
    broken_ |= bit_of(mark_);
}

void Stamper::begin_line(std::string& out, std::string_view stamp) {
    char head[kStampLength + 2];
    std::copy(stamp.begin(), stamp.end(), head);
    std::size_t length = kStampLength;
    if (mark_ != LineMark::kOutput) head[length++] = static_cast<char>(mark_);
    head[length++] = (broken_ & bit_of(mark_)) != 0 ? '+' : ' ';
    broken_ &= static_cast<std::uint8_t>(~bit_of(mark_));
    out.append(head, length);
}

/// Part of a line, not its newline.
void Stamper::append_part(std::string& out, std::string_view part, std::string_view stamp) {
    while (!part.empty()) {
        // A full line that goes on is ended before its next byte, not after its last.
        if (open_length_ == kMaxLine) break_line(out);
        if (open_length_ == 0) begin_line(out, stamp);
        const std::string_view piece = part.substr(0, kMaxLine - open_length_);
        out += piece;
        open_length_ += static_cast<std::uint32_t>(piece.size());
        part.remove_prefix(piece.size());
    }
}

void Stamper::append(std::string& out, std::string_view bytes, std::string_view stamp,
                     LineMark mark) {
    if (open_length_ > 0 && mark != mark_) break_line(out);
    mark_ = mark;
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        append_part(out, bytes.substr(0, end), stamp);
        if (end == std::string_view::npos) return;
        // An empty line is stamped too, but not the end of one that was broken off.
        const bool ended_broken = open_length_ == 0 && (broken_ & bit_of(mark)) != 0;
        if (open_length_ == 0 && !ended_broken) begin_line(out, stamp);
        if (!ended_broken) out += '\n';
        broken_ &= static_cast<std::uint8_t>(~bit_of(mark));
        open_length_ = 0;
        bytes.remove_prefix(end + 1);
    }
}

void Stamper::say(std::string& out, std::string_view text, std::string_view stamp) {
    if (open_length_ > 0) break_line(out);
    out += stamp;
    out += static_cast<char>(LineMark::kLogger);
    out += ' ';
    out += text;
    out += '\n';
}

void Stamper::end_line(std::string& out) {
    if (open_length_ > 0) out += '\n';
    open_length_ = 0;
    broken_ = 0;
}

}  // namespace jailsvc::logger
