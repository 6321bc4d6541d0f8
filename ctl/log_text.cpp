#include "log_text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>

namespace jailsvc::ctl {
namespace {

constexpr std::size_t kBlock = 64 * 1024;
constexpr std::size_t kStampLength = 27;  // 2026-11-22T00:05:45.123456Z

Result<std::string> read_at(int file, std::uint64_t offset, std::size_t size) {
    std::string block(size, '\0');
    const ssize_t count = ::pread(file, block.data(), size, static_cast<off_t>(offset));
    if (count < 0) return fail_errno("read the log");
    block.resize(static_cast<std::size_t>(count));
    return block;
}

/// Offset of the first line that starts at or after `offset`.
Result<std::uint64_t> next_line_start(int file, std::uint64_t offset, std::uint64_t size) {
    if (offset == 0) return 0;
    for (std::uint64_t at = offset - 1; at < size; at += kBlock) {
        TRY(const std::string block, read_at(file, at, kBlock));
        const std::size_t newline = block.find('\n');
        if (newline != std::string::npos) return std::min(size, at + newline + 1);
        if (block.empty()) break;
    }
    return size;
}

Result<std::uint64_t> seconds_of(std::string_view text) {
    struct Unit {
        std::string_view name;
        std::uint64_t seconds;
    };
    constexpr Unit kUnits[] = {{"s", 1},    {"sec", 1},     {"m", 60},    {"min", 60},
                               {"h", 3600}, {"hour", 3600}, {"d", 86400}, {"day", 86400}};
    std::uint64_t total = 0;
    while (!text.empty()) {
        while (text.starts_with(' ')) text.remove_prefix(1);
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || number > 1'000'000'000) return fail("not a duration");
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        const std::string_view name = text.substr(0, text.find_first_of(" 0123456789"));
        const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                        [name](const Unit& u) { return u.name == name; });
        if (unit == std::end(kUnits)) return fail("not a duration");
        total += number * unit->seconds;
        text.remove_prefix(name.size());
    }
    return total;
}

}  // namespace

Result<std::uint64_t> offset_of_last_lines(int file, std::uint64_t size, long lines) {
    if (lines == 0) return size;
    // The newline that ends the last line does not start another one.
    std::uint64_t end = size > 0 ? size - 1 : 0;
    while (end > 0) {
        const std::uint64_t start = end > kBlock ? end - kBlock : 0;
        TRY(const std::string block, read_at(file, start, static_cast<std::size_t>(end - start)));
        for (std::size_t i = block.size(); i > 0; --i) {
            if (block[i - 1] == '\n' && --lines == 0) return start + i;
        }
        end = start;
    }
    return 0;
}

Result<std::string> parse_since(std::string_view text, std::uint64_t now_ns) {
    const bool date = text.size() >= 4 &&
                      text.substr(0, 4).find_first_not_of("0123456789") == std::string_view::npos;
    if (date) {
        std::string stamp(text);
        std::replace(stamp.begin(), stamp.end(), ' ', 'T');
        const bool clean = stamp.find_first_not_of("0123456789-:.TZ") == std::string::npos;
        if (clean && stamp.size() <= kStampLength) return stamp;
    } else if (const auto seconds = seconds_of(text); seconds && !text.empty()) {
        const std::uint64_t now = now_ns / 1'000'000'000;
        const auto from = static_cast<std::time_t>(now > *seconds ? now - *seconds : 0);
        std::tm utc{};
        ::gmtime_r(&from, &utc);
        char stamp[64];
        const std::size_t length = std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
        return std::string(stamp, length);
    }
    return fail(
        fmt::format("--since \"{}\": use a duration like \"10min\" or a UTC time like "
                    "\"2026-01-31 12:00\"",
                    text));
}

Result<std::uint64_t> offset_since(int file, std::uint64_t size, std::string_view since) {
    std::uint64_t low = 0;  // every line before it is too old
    std::uint64_t high = size;
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        TRY(const std::uint64_t line, next_line_start(file, middle, size));
        if (line >= high) {
            high = middle;
            continue;
        }
        TRY(const std::string stamp, read_at(file, line, kStampLength));
        if (stamp.compare(0, since.size(), since) < 0) {
            low = line + 1;
        } else {
            high = middle;
        }
    }
    return next_line_start(file, low, size);
}

}  // namespace jailsvc::ctl
