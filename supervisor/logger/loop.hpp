#pragma once

#include <ev.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "ipc/channel.hpp"
#include "logger/drain.hpp"
#include "logger/rescue.hpp"
#include "logger/unit_output.hpp"

namespace jailsvc::logger {

/// The logger's event loop: pipes from the keeper, questions from the engine.
class Loop {
public:
    [[nodiscard]] static Result<std::unique_ptr<Loop>> make(std::string directory, Outlets outlets);
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Until the keeper goes away; then what is still in the pipes is written. 0.
    [[nodiscard]] int run();

private:
    Loop(std::string directory, Drain drain);

    static void on_keeper(struct ev_loop* base, ev_io* watcher, int events) noexcept;
    static void on_engine(struct ev_loop* base, ev_io* watcher, int events) noexcept;
    static void on_pipe(struct ev_loop* base, ev_io* watcher, int events) noexcept;
    static void on_room(struct ev_loop* base, ev_io* watcher, int events) noexcept;
    static void on_retry(struct ev_loop* base, ev_timer* watcher, int events) noexcept;

    void from_keeper(ipc::Packet& packet);
    void from_engine(const ipc::Packet& packet);
    void set_engine(Fd channel);
    void take_settings(std::string_view unit, const Fd& memfd);
    void add_pipe(std::string_view unit, ipc::LogStream stream, Fd pipe);
    void start_reading();
    void end_source(Source& source);
    /// A unit without pipes and without anything that waits is forgotten.
    void forget_if_idle(const std::string& unit);
    using Units = std::vector<std::unique_ptr<UnitOutput>>;
    [[nodiscard]] Units::iterator place_of(std::string_view unit);
    [[nodiscard]] UnitOutput* find(std::string_view unit);
    [[nodiscard]] UnitOutput& find_or_add(std::string_view unit);
    [[nodiscard]] Result<Drain::Outcome> move_block(Source& source);
    void watch_outlets();
    void see_to_waiting(const UnitOutput& unit);
    void sweep();
    void pump(UnitOutput& unit);
    void pump(Source& source);
    void answer_open(const ipc::LogOpen& request);
    [[nodiscard]] Result<std::size_t> open_for(const ipc::LogOpen& request, UnitLog::Reader& reader,
                                               Fd& follower);
    void end_run_of(const ipc::LogRunEnded& ended);
    void remove_log(std::string_view unit);
    void remove_logs_left();

    struct ev_loop* base_;
    Shared shared_;
    Drain drain_;
    Fd keeper_;
    Fd engine_;
    bool complete_ =
        false;  ///< the keeper has told all it keeps: settings before what they are for
    ev_io keeper_watcher_{};
    ev_io engine_watcher_{};
    ev_timer retry_{};
    std::vector<std::unique_ptr<ev_io>> room_;  ///< of outlets: they can be written to
    bool swept_ = false;                        ///< the other thread has put something into rings
    Units units_;                               ///< in the order of their names
    std::unique_ptr<Rescue> rescue_;
};

}  // namespace jailsvc::logger
