#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/log_line.hpp"
#include "base/result.hpp"
#include "logger/stamper.hpp"

namespace jailsvc::logger {

/// One line of a unit's, on its way to somewhere else than its file.
struct SentLine {
    std::string_view unit;
    LineMark mark = LineMark::kOutput;
    int priority = 6;  ///< of syslog(3)
    std::string_view text;
    const Moment& moment;
};

/// Takes a priority "<3>" off the start of a line (sd-daemon(3)); `otherwise` if there is none.
[[nodiscard]] int take_priority(std::string_view& text, int otherwise = 6);

[[nodiscard]] std::string journal_message(const SentLine& line);
/// As local programs write to /dev/log: without a host name, in local time (RFC 3164, 4.1).
[[nodiscard]] std::string syslog_message(const SentLine& line);
[[nodiscard]] std::string syslog5424_message(const SentLine& line, std::string_view host);
/// "web: text\n"; for a terminal without control characters.
[[nodiscard]] std::string terminal_message(const SentLine& line);
[[nodiscard]] std::string container_message(const SentLine& line);

/// Where messages go that must not keep anybody waiting: what is not taken waits in a bounded
/// queue, the oldest go first when it is full, and their number is told when it is empty again.
class Outlet {
public:
    using Format = std::function<std::string(const SentLine&)>;
    /// A descriptor that is written to; non-blocking. `socket_path`: a datagram socket that is
    /// connected there as often as it takes; empty: bytes, of which a part may be taken.
    Outlet(std::string name, Fd fd, std::string socket_path, Format format);

    void put(const SentLine& line);
    /// False if something waits on.
    bool flush();
    [[nodiscard]] bool waits() const noexcept { return !queue_.empty() || dropped_ > 0; }
    /// Of what waits, whether the descriptor tells when there is room; else it is to be tried
    /// again.
    [[nodiscard]] bool tells_room() const noexcept { return connected_; }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    enum class Sent { kAll, kLater, kNever };
    [[nodiscard]] Sent send(std::string& message);
    [[nodiscard]] Sent send_datagram(const std::string& message);
    [[nodiscard]] Sent write_bytes(std::string& message);
    [[nodiscard]] bool connect_socket();
    void complain(int code);
    void tell_dropped();

    std::string name_;
    Fd fd_;
    std::string socket_path_;
    Format format_;
    std::deque<std::string> queue_;
    std::size_t queued_ = 0;     ///< [bytes]
    std::uint64_t dropped_ = 0;  ///< messages
    bool connected_ = false;
    bool begun_ = false;   ///< a part of the first message was written
    bool failed_ = false;  ///< said once
};

/// All there are, by the bits of ipc::LogSettings::Sink. Opened while the logger may open anything.
class Outlets {
public:
    Outlets() = default;
    [[nodiscard]] static Outlets open();

    void put(std::uint8_t sinks, const SentLine& line);
    /// False if something waits on.
    bool flush();
    template <typename Each>
    void for_each(const Each& each) {
        for (const auto& outlet : all_) {
            if (outlet) each(*outlet);
        }
    }

private:
    static constexpr std::size_t kKinds = 8;
    std::unique_ptr<Outlet> all_[kKinds];
};

}  // namespace jailsvc::logger
