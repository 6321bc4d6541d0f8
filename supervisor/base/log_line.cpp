#include "base/log_line.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <ctime>

namespace jailsvc {
namespace {

constexpr std::uint64_t kSecond = 1'000'000;
constexpr std::string_view kClock = "clock boottime=";
constexpr std::string_view kBoot = " boot=";

void write_digits(char* out, unsigned value, int count) {
    for (int i = count - 1; i >= 0; --i, value /= 10) out[i] = static_cast<char>('0' + value % 10);
}

bool read_digits(const char* text, int count, int& out) {
    out = 0;
    for (int i = 0; i < count; ++i) {
        if (text[i] < '0' || text[i] > '9') return false;
        out = out * 10 + (text[i] - '0');
    }
    return true;
}

}  // namespace

void write_stamp(char* out, std::uint64_t realtime_us) {
    const auto seconds = static_cast<std::time_t>(realtime_us / kSecond);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    std::memcpy(out, "0000-00-00T00:00:00.000000Z", kStampLength);
    write_digits(out, static_cast<unsigned>(utc.tm_year + 1900), 4);
    write_digits(out + 5, static_cast<unsigned>(utc.tm_mon + 1), 2);
    write_digits(out + 8, static_cast<unsigned>(utc.tm_mday), 2);
    write_digits(out + 11, static_cast<unsigned>(utc.tm_hour), 2);
    write_digits(out + 14, static_cast<unsigned>(utc.tm_min), 2);
    write_digits(out + 17, static_cast<unsigned>(utc.tm_sec), 2);
    write_digits(out + 20, static_cast<unsigned>(realtime_us % kSecond), 6);
}

std::optional<std::uint64_t> parse_stamp(std::string_view stamp) {
    if (stamp.size() != kStampLength) return std::nullopt;
    const char* text = stamp.data();
    for (const auto& [at, want] :
         {std::pair{4, '-'}, {7, '-'}, {10, 'T'}, {13, ':'}, {16, ':'}, {19, '.'}, {26, 'Z'}}) {
        if (text[at] != want) return std::nullopt;
    }
    std::tm utc{};
    int micros = 0;
    const bool digits = read_digits(text, 4, utc.tm_year) && read_digits(text + 5, 2, utc.tm_mon) &&
                        read_digits(text + 8, 2, utc.tm_mday) &&
                        read_digits(text + 11, 2, utc.tm_hour) &&
                        read_digits(text + 14, 2, utc.tm_min) &&
                        read_digits(text + 17, 2, utc.tm_sec) && read_digits(text + 20, 6, micros);
    if (!digits) return std::nullopt;
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    const std::time_t seconds = ::timegm(&utc);
    if (seconds < 0) return std::nullopt;
    return static_cast<std::uint64_t>(seconds) * kSecond + static_cast<std::uint64_t>(micros);
}

std::optional<LogLine> parse_log_line(std::string_view line) {
    if (line.size() <= kStampLength || line[kStampLength - 1] != 'Z' || line[10] != 'T') {
        return std::nullopt;
    }
    LogLine parsed{.stamp = line.substr(0, kStampLength), .text = line.substr(kStampLength)};
    const char mark = parsed.text.front();
    if (mark == '1' || mark == '2' || mark == '#') {
        parsed.mark = static_cast<LineMark>(mark);
        parsed.text.remove_prefix(1);
    }
    if (parsed.text.empty() || (parsed.text[0] != ' ' && parsed.text[0] != '+')) {
        return std::nullopt;
    }
    parsed.continues = parsed.text[0] == '+';
    parsed.text.remove_prefix(1);
    return parsed;
}

std::string format_clock_note(const ClockNote& note) {
    return fmt::format("{}{}.{:06}{}{}", kClock, note.boottime_us / kSecond,
                       note.boottime_us % kSecond, kBoot, note.boot);
}

std::optional<ClockNote> parse_clock_note(std::string_view text) {
    if (!text.starts_with(kClock)) return std::nullopt;
    text.remove_prefix(kClock.size());
    const char* const end = text.data() + text.size();
    std::uint64_t seconds = 0;
    std::uint64_t micros = 0;
    const auto whole = std::from_chars(text.data(), end, seconds);
    if (whole.ec != std::errc() || whole.ptr == end || *whole.ptr != '.' ||
        seconds > UINT64_MAX / kSecond - 1) {
        return std::nullopt;
    }
    const auto part = std::from_chars(whole.ptr + 1, end, micros);
    if (part.ec != std::errc() || part.ptr - whole.ptr != 7) return std::nullopt;
    const std::string_view rest(part.ptr, static_cast<std::size_t>(end - part.ptr));
    if (!rest.starts_with(kBoot)) return std::nullopt;
    return ClockNote{seconds * kSecond + micros, rest.substr(kBoot.size())};
}

}  // namespace jailsvc
