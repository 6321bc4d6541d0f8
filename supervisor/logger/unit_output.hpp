#pragma once

#include <ev.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "ipc/messages.hpp"
#include "logger/outlets.hpp"
#include "logger/output_cap.hpp"
#include "logger/rate_limit.hpp"
#include "logger/unit_log.hpp"

namespace jailsvc::logger {

class UnitOutput;

/// One pipe of a unit's.
struct Source {
    UnitOutput* unit = nullptr;
    ipc::LogStream stream = ipc::LogStream::kOutput;
    Fd pipe;
    ev_io watcher{};
};

/// A unit's output: where it comes from, and what is done with it.
class UnitOutput {
public:
    explicit UnitOutput(std::string unit) : log(std::move(unit)) {}

    [[nodiscard]] const ipc::LogSettings& settings() const noexcept;
    void set(const ipc::LogSettings& settings);

    /// A block that was read from one of the pipes.
    void take(Shared& shared, ipc::LogStream stream, std::string_view bytes, const Moment& moment);
    /// The same while the loop waits for a disk.
    void keep(Shared& shared, ipc::LogStream stream, std::string_view bytes, const Moment& moment);
    /// One of its programs has ended: what it left open is ended.
    void end_run(Shared& shared);
    /// The run is over: what comes next is another's, as far as output_cap is concerned. What of
    /// this one went beyond [bytes].
    std::uint64_t close_run(Shared& shared);
    [[nodiscard]] bool passing() const noexcept { return settings().passing != 0; }

    /// What waits for a better moment: lines in the ring, a note of what was dropped. False if some
    /// of it still waits.
    bool retry(Shared& shared);
    [[nodiscard]] bool has_waiting() const noexcept;
    /// Without pipes nothing would be lost. Settings are told once, before the first pipe.
    [[nodiscard]] bool may_be_forgotten() const noexcept {
        return special_ == nullptr && log.ring_empty() && !log.has_followers();
    }

    UnitLog log;
    std::unique_ptr<Source> pipes[ipc::kLogStreams];

private:
    /// Of units that say something else than usual.
    struct Special {
        ipc::LogSettings settings;
        RateLimit rate;
        OutputCap cap;
        /// Of lines on their way to elsewhere than a file, what was begun and has no end yet.
        std::string open_lines[ipc::kLogStreams];
    };

    [[nodiscard]] std::string_view capped(Shared& shared, std::string_view bytes,
                                          const Moment& moment);
    [[nodiscard]] LineMark mark_of(ipc::LogStream stream) const noexcept;
    [[nodiscard]] std::string_view limit(Shared& shared, std::string_view bytes,
                                         const Moment& moment);
    bool tell_dropped(Shared& shared, const Moment& moment);
    void send_on(Shared& shared, ipc::LogStream stream, std::string_view bytes,
                 const Moment& moment);
    void send_line(Shared& shared, ipc::LogStream stream, std::string_view line,
                   const Moment& moment);
    [[nodiscard]] std::uint8_t sinks_of(ipc::LogStream stream) const noexcept;
    [[nodiscard]] bool has_file() const noexcept;

    std::unique_ptr<Special> special_;
};

}  // namespace jailsvc::logger
