#include "engine/notify_message.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace jailsvc::engine {
namespace {

constexpr std::size_t kMaxFdName = 255;
constexpr std::size_t kMaxExitStatus = 32;
constexpr char kUnreadable = '?';

template <typename Number>
std::optional<Number> number_in(std::string_view text, Number least, Number most) {
    Number number{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (number < least || number > most) return std::nullopt;
    return number;
}

constexpr auto kMostUs = std::numeric_limits<std::int64_t>::max() / 1000;  // counts as nanoseconds

std::optional<std::uint64_t> microseconds_in(std::string_view text) {
    return number_in<std::uint64_t>(text, 0, static_cast<std::uint64_t>(kMostUs));
}

/// How long the UTF-8 character at the beginning is (RFC 3629); 0: there is none.
std::size_t character_size(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
    for (std::size_t at = 1; at < size; ++at) {
        if ((byte(at) & 0xc0) != 0x80) return 0;
    }
    const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
    const bool surrogate = first == 0xed && byte(1) > 0x9f;
    const bool beyond = first == 0xf4 && byte(1) > 0x8f;
    return overlong || surrogate || beyond ? 0 : size;
}

/// C0, DEL and C1, which steer terminals; bidirectional marks, which turn what stands beside them.
bool is_control(std::string_view character) {
    const auto first = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return first < 0x20 || first == 0x7f;
    const auto second = static_cast<unsigned char>(character[1]);
    if (character.size() == 2) return first == 0xc2 && second < 0xa0;
    if (character.size() != 3 || first != 0xe2) return false;
    const auto third = static_cast<unsigned char>(character[2]);
    const bool separators = second == 0x80 && third >= 0xa8 && third <= 0xae;
    const bool isolates = second == 0x81 && third >= 0xa6 && third <= 0xa9;
    return separators || isolates;
}

void take_line(NotifyMessage& message, std::string_view name, std::string_view value) {
    const bool yes = value == "1";
    if (name == "READY") {
        message.ready = message.ready || yes;
    } else if (name == "RELOADING") {
        message.reloading = message.reloading || yes;
    } else if (name == "STOPPING") {
        message.stopping = message.stopping || yes;
    } else if (name == "WATCHDOG") {
        message.ping = message.ping || yes;
        message.trigger = message.trigger || value == "trigger";
    } else if (name == "BARRIER") {
        message.barrier = message.barrier || yes;
    } else if (name == "FDSTORE") {
        message.fd_store = message.fd_store || yes;
    } else if (name == "FDSTOREREMOVE") {
        message.fd_store_remove = message.fd_store_remove || yes;
    } else if (name == "FDPOLL") {
        message.fd_poll = value != "0";
    } else if (name == "FDNAME") {
        message.fd_name = is_fd_name(value) ? value : std::string_view();
    } else if (name == "STATUS") {
        message.status = readable(value, kMaxStatusText);
    } else if (name == "ERRNO") {
        message.error = number_in<int>(value, 0, 4095);  // MAX_ERRNO, linux/err.h
    } else if (name == "EXIT_STATUS") {
        message.exit_status = readable(value, kMaxExitStatus);
    } else if (name == "MAINPID") {
        message.main_pid = number_in<std::int32_t>(value, 1, 1 << 22);  // PID_MAX_LIMIT
    } else if (name == "WATCHDOG_USEC") {
        message.watchdog_us = microseconds_in(value);
    } else if (name == "EXTEND_TIMEOUT_USEC") {
        message.extend_us = microseconds_in(value);
    }
}

}  // namespace

std::optional<NotifyMessage> parse_notify(std::string_view text) {
    if (text.ends_with('\0')) text.remove_suffix(1);
    if (text.size() > kMaxNotify || text.find('\0') != std::string_view::npos) return std::nullopt;
    NotifyMessage message;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) continue;
        take_line(message, line.substr(0, equals), line.substr(equals + 1));
    }
    return message;
}

std::string readable(std::string_view text, std::size_t limit) {
    std::string out;
    while (!text.empty()) {
        const std::size_t size = character_size(text);
        const std::string_view character = text.substr(0, std::max<std::size_t>(size, 1));
        const bool shown = size > 0 && !is_control(character);
        if (out.size() + (shown ? size : 1) > limit) break;
        if (shown) {
            out.append(character);
        } else {
            out.push_back(kUnreadable);
        }
        text.remove_prefix(character.size());
    }
    return out;
}

bool is_fd_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxFdName &&
           std::ranges::all_of(name, [](char c) { return c >= ' ' && c < 0x7f && c != ':'; });
}

}  // namespace jailsvc::engine
