#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "ipc/messages.hpp"

namespace jailsvc::jailer::cgroup {

/// What is to be done when a unit's processes wait too long for a resource.
struct PressureTrigger {
    ipc::Resource resource{};
    std::string text;  ///< "some 150000 2000000": microseconds of waiting in so many
    ipc::OnPressure action{};
    int signo = 0;  ///< of kSignal

    bool operator==(const PressureTrigger&) const = default;
};

struct PressureEvent {
    std::string unit;
    PressureTrigger trigger;
};

/// "memory" of memory.pressure, and back.
[[nodiscard]] std::string_view name_of(ipc::Resource resource);

/// Hears from the kernel when processes of a group have waited for longer than a trigger allows
/// (Documentation/accounting/psi.rst, "Monitoring for pressure thresholds"): one open file for each
/// trigger, one inotify for all. The kernel tells at most once in a trigger's window.
class Pressure {
public:
    /// Sets the trigger in that group of cgroup v2, unless it is set.
    [[nodiscard]] Result<void> arm(const std::string& unit, const std::string& directory,
                                   PressureTrigger trigger);
    [[nodiscard]] bool armed(const std::string& unit, const PressureTrigger& trigger) const;
    /// What was told so far of a unit is of an earlier run.
    void drain(const std::string& unit);
    void disarm(const std::string& unit);

    /// Readable when there is something to take; -1 while nothing is armed.
    [[nodiscard]] int fd() const { return changes_ ? changes_.get() : -1; }
    [[nodiscard]] std::vector<PressureEvent> take();

private:
    struct Armed {
        Fd file;
        PressureEvent event;
    };
    Fd changes_;
    std::vector<Armed> armed_;
};

}  // namespace jailsvc::jailer::cgroup
