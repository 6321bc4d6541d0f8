// The forms in which lines leave the logger.

#include <fmt/format.h>

#include <ctime>

#include "logger/outlets.hpp"

namespace jailsvc::logger {
namespace {

constexpr int kDaemon = 3;  // facility, see syslog(3)

int with_facility(int priority) {
    return kDaemon * 8 + priority;
}

const char* stream_of(LineMark mark) {
    return mark == LineMark::kStderr ? "stderr" : mark == LineMark::kStdout ? "stdout" : "output";
}

}  // namespace

int take_priority(std::string_view& text, int otherwise) {
    const bool has =
        text.size() >= 3 && text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>';
    if (!has) return otherwise;
    const int priority = text[1] - '0';
    text.remove_prefix(3);
    return priority;
}

// systemd's "Native Journal Protocol": one field a line; a line has no newline in it here.
std::string journal_message(const SentLine& line) {
    return fmt::format(
        "MESSAGE={}\nPRIORITY={}\nSYSLOG_FACILITY={}\nSYSLOG_IDENTIFIER={}\nJAILSVC_UNIT={}\n"
        "JAILSVC_STREAM={}\n",
        line.text, line.priority, kDaemon, line.unit, line.unit, stream_of(line.mark));
}

std::string syslog_message(const SentLine& line) {
    const auto seconds = static_cast<std::time_t>(line.moment.realtime_us() / 1'000'000);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return fmt::format("<{}>{} {:2} {:02}:{:02}:{:02} {}: {}", with_facility(line.priority),
                       kMonths[local.tm_mon % 12], local.tm_mday, local.tm_hour, local.tm_min,
                       local.tm_sec, line.unit, line.text);
}

std::string syslog5424_message(const SentLine& line, std::string_view host) {
    return fmt::format("<{}>1 {} {} {} - - - {}", with_facility(line.priority), line.moment.stamp(),
                       host.empty() ? "-" : host, line.unit, line.text);
}

std::string terminal_message(const SentLine& line) {
    std::string text = fmt::format("{}: {}", line.unit, line.text);
    for (char& c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\t') || byte == 0x7f) c = '?';
    }
    return text + "\r\n";
}

std::string container_message(const SentLine& line) {
    return fmt::format("{}: {}\n", line.unit, line.text);
}

}  // namespace jailsvc::logger
