#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "engine/notify_message.hpp"
#include "engine/notify_socket.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// What services have said of themselves, for people; gone with the engine or at the next start.
struct SelfReport {
    std::string status;         ///< STATUS=
    std::optional<int> error;   ///< ERRNO=
    std::string exit_status;    ///< EXIT_STATUS=
    std::uint64_t ping_ns = 0;  ///< when the last ping came, CLOCK_BOOTTIME
    std::uint64_t refused = 0;  ///< messages that said nothing: cut, malformed, a stranger's
};

/// What a datagram of a notify socket changes: in the state machine, in who the main process is, in
/// what is kept for the next start.
class SelfReports {
public:
    struct Handlers {
        /// Whether the process is in the unit's control group.
        std::function<bool(const std::string& unit, pid_t pid)> is_member;
        std::function<void(const std::string& unit, service::Token main_token, std::int32_t pid)>
            find_main;
        /// FDSTORE, FDSTOREREMOVE.
        std::function<void(const std::string& unit, const NotifyMessage& message,
                           std::vector<Fd> fds)>
            keep_fds;
    };

    SelfReports(service::Manager& manager, Handlers handlers)
        : manager_(manager), handlers_(std::move(handlers)) {}

    void take(const std::string& unit, NotifyDatagram datagram, bool open);
    void newline(const std::string& unit);
    /// A new run of it begins, or it left memory.
    void forget(const std::string& unit) { reports_.erase(unit); }
    [[nodiscard]] const SelfReport& of(std::string_view unit) const;

private:
    [[nodiscard]] bool counts(const std::string& unit, const service::Status& status, pid_t sender,
                              bool open) const;
    void note(const std::string& unit, const NotifyMessage& message);
    void tell(const std::string& unit, const NotifyMessage& message);

    service::Manager& manager_;
    Handlers handlers_;
    std::map<std::string, SelfReport, std::less<>> reports_;
};

}  // namespace jailsvc::engine
