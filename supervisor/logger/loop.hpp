#pragma once

#include <ev.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "ipc/channel.hpp"
#include "logger/drain.hpp"
#include "logger/unit_log.hpp"

namespace jailsvc::logger {

/// The logger's event loop: pipes from the keeper, questions from the engine.
class Loop {
public:
    [[nodiscard]] static Result<std::unique_ptr<Loop>> make(std::string directory);
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Until the keeper goes away; then what is still in the pipes is written. 0.
    [[nodiscard]] int run();

private:
    /// One service's output: its pipe and where it goes.
    struct Source {
        std::string unit;
        Fd pipe;
        ev_io watcher{};
    };

    Loop(std::string directory, Drain drain);

    static void on_keeper(struct ev_loop* base, ev_io* watcher, int events) noexcept;
    static void on_engine(struct ev_loop* base, ev_io* watcher, int events) noexcept;
    static void on_pipe(struct ev_loop* base, ev_io* watcher, int events) noexcept;
    static void on_retry(struct ev_loop* base, ev_timer* watcher, int events) noexcept;

    void from_keeper(ipc::Packet& packet);
    void from_engine(const ipc::Packet& packet);
    void set_engine(Fd channel);
    void add_pipe(std::string_view unit, Fd pipe);
    using Sources = std::vector<std::unique_ptr<Source>>;
    [[nodiscard]] Sources::iterator place_of(std::string_view unit);
    [[nodiscard]] Source* find(std::string_view unit);
    void remove_source(std::string_view unit);
    void pump(Source& source);
    void drain_everything();
    [[nodiscard]] Result<UnitLog*> log_of(const std::string& unit);
    void answer_open(const ipc::LogOpen& request);
    void end_line_of(const std::string& unit);

    struct ev_loop* base_;
    std::string directory_;
    Drain drain_;
    Fd keeper_;
    Fd engine_;
    ev_io keeper_watcher_{};
    ev_io engine_watcher_{};
    ev_timer retry_{};
    Sources sources_;  ///< in the order of their units
    std::map<std::string, UnitLog> logs_;
};

}  // namespace jailsvc::logger
