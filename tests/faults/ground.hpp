#pragma once

#include <optional>
#include <string>

#include "jail/jailer_world.hpp"
#include "jailer/net/net_namespace.hpp"
#include "tracer.hpp"
#include "traces_left.hpp"

/// One unit that is started again and again by the jailer as it is shipped, each time with another
/// call failing.
namespace jailsvc::faults {

struct Scenario {
    std::string name;
    std::string unit;          ///< its file but for [service] and [environment]; @ROOT@ is Shown's
    std::string service = {};  ///< more of [service]
    bool plans = false;        ///< each start is of a unit not seen before: files read, plan made
    bool pools = false;    ///< takes network namespaces made ahead, which are replaced behind it
    bool rules = false;    ///< has rules of its own, made through libnftables
    bool listens = false;  ///< is given sockets
    bool probes = false;   ///< has Landlock, which its program probes
};

/// What came of a start in which one call failed.
struct Attempt {
    Trace trace;
    unsigned programs = 0;       ///< that were executed
    bool started = false;        ///< answered with Started
    ipc::StartFailed refusal{};  ///< if it was not
    bool jailer_ended = false;   ///< and another took over
    Lines weaker;                ///< what the jail of a program that runs is otherwise
    Lines left;                  ///< what was there afterwards and had not been before
    bool goes_on = false;        ///< another unit could be started afterwards
    std::string said;            ///< by the jailer meanwhile
};

/// A directory that jails see, with the program in it that tells what it finds.
class Shown {
public:
    Shown();
    Shown(const Shown&) = delete;
    Shown& operator=(const Shown&) = delete;
    ~Shown();
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

class Ground {
public:
    explicit Ground(Scenario scenario);
    Ground(const Ground&) = delete;
    Ground& operator=(const Ground&) = delete;

    /// The calls of a start in which nothing fails.
    [[nodiscard]] Trace record();
    /// Programs executed in the last start.
    [[nodiscard]] unsigned programs() const { return tracer_.programs(); }
    /// A start in which one call is not made but returns this, a negative errno for an error.
    [[nodiscard]] Attempt attempt(const Site& site, long result);

private:
    struct Answer {
        bool started = false;
        ipc::StartFailed refusal{};
        pid_t pid = 0;
    };
    Answer start();
    void stop();
    void begin_jailer();
    void warm_up();
    bool start_calm();
    Lines jail_of(pid_t program, const Lines* aim);
    void forget_output();
    std::string read_until_end();
    Lines settled(const Lines* aim);
    void take_over();
    std::string said();

    Scenario scenario_;
    Fd network_;  ///< the test's own: ports and rules of the machine are not touched
    std::optional<jailer::IntoNetwork> into_;
    Shown shown_;
    test::JailerWorld world_;
    Tracer tracer_;
    Digest digest_{}, calm_digest_{};
    ipc::Token token_ = 0;
    Lines jail_;     ///< as it has to be
    Lines present_;  ///< what is there between starts
    std::size_t said_before_ = 0;
};

}  // namespace jailsvc::faults
