#include "jailer/cgroup/pressure.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

/// To be asked is to be told once: psi_trigger_poll in kernel/sched/psi.c takes the event back. So
/// nothing may ask but this: no epoll, which asks for its own ends too.
short ask(const Fd& file) {
    pollfd look{.fd = file.get(), .events = POLLPRI, .revents = 0};
    return ::poll(&look, 1, 0) == 1 ? look.revents : short{0};
}

Error explained(const std::string& file, int code) {
    std::string text = fmt::format("{}: {}", file, ::strerrordesc_np(code));
    if (code == ENOENT || code == EOPNOTSUPP) {
        text += "; the kernel tells no pressure here, start it with psi=1";
    }
    // psi_trigger_create in kernel/sched/psi.c.
    if (code == EINVAL) {
        text += "; without CAP_SYS_RESOURCE a window has to be a multiple of 2s";
    }
    return {std::move(text), code};
}

}  // namespace

std::string_view name_of(ipc::Resource resource) {
    switch (resource) {
        case ipc::Resource::kMemory:
            return "memory";
        case ipc::Resource::kCpu:
            return "cpu";
        case ipc::Resource::kIo:
            return "io";
    }
    return "memory";
}

bool Pressure::armed(const std::string& unit, const PressureTrigger& trigger) const {
    return std::ranges::any_of(armed_, [&](const Armed& one) {
        return one.event.unit == unit && one.event.trigger == trigger;
    });
}

/// The kernel reports an event of a group's file to inotify too (kernfs_notify, fs/kernfs/file.c).
Result<void> Pressure::arm(const std::string& unit, const std::string& directory,
                           PressureTrigger trigger) {
    if (armed(unit, trigger)) return {};
    if (!changes_) changes_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    const std::string path = fmt::format("{}/{}.pressure", directory, name_of(trigger.resource));
    auto file = sys::open(path, O_RDWR | O_NONBLOCK);
    if (!file) return std::unexpected(explained(path, file.error().code));
    // With its NUL: the last byte written is cut off (psi_write in kernel/sched/psi.c).
    if (::write(file->get(), trigger.text.c_str(), trigger.text.size() + 1) == -1) {
        return std::unexpected(explained(path + " := " + trigger.text, errno));
    }
    if (::inotify_add_watch(changes_.get(), path.c_str(), IN_MODIFY) == -1) {
        return fail_errno("inotify " + path);
    }
    armed_.push_back({std::move(*file), {unit, std::move(trigger)}});
    return {};
}

void Pressure::drain(const std::string& unit) {
    for (const Armed& one : armed_) {
        if (one.event.unit == unit) (void)ask(one.file);
    }
}

void Pressure::disarm(const std::string& unit) {
    std::erase_if(armed_, [&](const Armed& one) { return one.event.unit == unit; });
}

std::vector<PressureEvent> Pressure::take() {
    char changes[4096];  // what is in it does not matter
    while (::read(fd(), changes, sizeof changes) > 0) {
    }
    std::vector<PressureEvent> events;
    for (const Armed& one : armed_) {
        const short told = ask(one.file);
        if ((told & POLLPRI) != 0 && (told & POLLERR) == 0) events.push_back(one.event);
    }
    return events;
}

}  // namespace jailsvc::jailer::cgroup
