#include "logger/stamper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace jailsvc::logger {

void Stamper::refresh_stamp(std::uint64_t realtime_ns) {
    constexpr std::uint64_t kMicrosecond = 1000;
    constexpr std::uint64_t kSecond = 1'000'000;
    const std::uint64_t now_us = realtime_ns / kMicrosecond;
    if (now_us == stamped_us_ && !stamp_.empty()) return;
    stamped_us_ = now_us;
    const auto seconds = static_cast<std::time_t>(now_us / kSecond);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    stamp_ = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z ", utc.tm_year + 1900,
                         utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                         now_us % kSecond);
}

void Stamper::append_line_part(std::string& out, std::string_view part) {
    while (!part.empty()) {
        if (line_length_ == 0) out += stamp_;
        const std::string_view piece = part.substr(0, kMaxLine - line_length_);
        out += piece;
        line_length_ += piece.size();
        part.remove_prefix(piece.size());
        if (line_length_ == kMaxLine && !part.empty()) end_line(out);
    }
}

void Stamper::end_line(std::string& out) {
    if (line_length_ > 0) out += '\n';
    line_length_ = 0;
}

void Stamper::append(std::string& out, std::string_view bytes, std::uint64_t realtime_ns) {
    refresh_stamp(realtime_ns);
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        // A full line that goes on in the next block is ended before its next byte, not after.
        if (line_length_ == kMaxLine && end != 0) end_line(out);
        append_line_part(out, bytes.substr(0, end));
        if (end == std::string_view::npos) return;
        if (end == 0 && line_length_ == 0) out += stamp_;  // an empty line is stamped too
        out += '\n';
        line_length_ = 0;
        bytes.remove_prefix(end + 1);
    }
}

}  // namespace jailsvc::logger
