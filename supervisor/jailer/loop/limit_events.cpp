#include "jailer/loop/limit_events.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

/// Version 1 tells before it ends a process: by then it has [s].
constexpr double kLookAgain = 0.1;

void watch(IoWatch& io, int& listens_to, int fd, const std::function<void()>& ready) {
    if (fd < 0 || std::exchange(listens_to, fd) == fd) return;
    io.start(fd, EV_READ, ready);
}

}  // namespace

LimitEvents::LimitEvents(Core& core)
    : core_(core), changes_(core.loop), oom_(core.loop), pressure_(core.loop), again_(core.loop) {}

void LimitEvents::listen() {
    const cgroup::Events& events = core_.groups.events();
    watch(changes_, listens_to_changes_, events.changes_fd(), [this] { tell(); });
    watch(oom_, listens_to_oom_, events.oom_fd(), [this] { heard(); });
    watch(pressure_, listens_to_pressure_, core_.groups.pressure().fd(),
          [this] { tell_pressure(); });
}

void LimitEvents::heard() {
    tell();
    again_.start(kLookAgain, [this] { tell(); });
}

void LimitEvents::tell_pressure() {
    for (const cgroup::PressureEvent& event : core_.groups.pressure().take()) {
        spdlog::warn("{}: {} pressure: its processes waited longer than \"{}\" allows (us)",
                     event.unit, cgroup::name_of(event.trigger.resource), event.trigger.text);
        tell::pressure(core_.engine, event);
    }
}

void LimitEvents::tell() {
    for (const cgroup::LimitEvent& event : core_.groups.events().take()) {
        if (event.what == cgroup::LimitHit::kTasks) {
            spdlog::warn("{}: tasks_max reached, {} new processes or threads refused", event.unit,
                         event.times);
            continue;
        }
        spdlog::warn("{}: out of memory, the kernel ended {} of its processes", event.unit,
                     event.times);
        if (core_.groups.ends_all_on_oom(event.unit)) core_.groups.kill(event.unit);
    }
}

}  // namespace jailsvc::jailer
