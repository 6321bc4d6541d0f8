#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.hpp"

/// Makes one system call of the jailer, or of a process it makes, fail: by ptrace(2), from outside,
/// so that the programs are the ones that are shipped. See docs/adr/0014.
namespace jailsvc::faults {

/// Which process calls.
enum class Role : std::uint8_t {
    kJailer,
    kHelper,   ///< a plan worker, the collector of trash, the maker of network namespaces
    kStub,     ///< a jail's init, between clone and exec
    kInit,     ///< the same, executed: jailsvc-stub
    kProgram,  ///< a program, between clone and exec
};

/// A system call; of those that are many in one, with the number that says which.
struct CallId {
    Role role = Role::kJailer;
    std::uint16_t number = 0;
    std::uint64_t variant = 0;  ///< of prctl, fcntl, ioctl, …; else 0
    auto operator<=>(const CallId&) const = default;
};

/// One call of one start: the nth of its kind.
struct Site {
    CallId id;
    std::uint32_t nth = 0;  ///< from 1
    auto operator<=>(const Site&) const = default;
};

/// What a start did, or what became of a fault in it.
struct Trace {
    std::vector<Site> calls;  ///< in order, as far as the tracer's room goes
    bool complete = true;     ///< all of them are in `calls`
    bool fired = false;       ///< the call to fail was made, and has failed
    std::string path;         ///< that the failed call was about, if it was about one
};

class Tracer {
public:
    /// Starts the process that traces; it ends with this object.
    Tracer();
    ~Tracer();
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;

    /// Why no process can be traced here; empty: one can.
    [[nodiscard]] static std::string why_not();

    /// From now on traces this jailer and whatever it makes.
    void attach(pid_t jailer);
    /// From here on calls are counted.
    void record();
    /// The same; and that one call is not made but returns this, a negative errno for an error.
    void inject(const Site& site, long result);
    /// Ends what record() or inject() began. Programs go on untouched.
    [[nodiscard]] Trace finish();
    /// Programs that have been executed in a jail since record() or inject(). Told a moment after
    /// the jailer can know it.
    [[nodiscard]] unsigned programs() const;
    [[nodiscard]] pid_t process() const { return process_; }

    struct Shared;
    struct Command;

private:
    void ask(const Command& command);

    Shared* shared_;
    Fd control_;
    pid_t process_ = -1;
};

/// "stub: mount_setattr #2", "program: prctl(PR_SET_DUMPABLE) #1".
[[nodiscard]] std::string to_text(const CallId& id);
[[nodiscard]] std::string to_text(const Site& site);

}  // namespace jailsvc::faults
