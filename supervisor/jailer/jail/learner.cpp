// The process that answers the calls of a program that learns. Not this one: it would wait for a
// service at every call, and the service would end with it.
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>

#include <array>

#include "base/sys.hpp"
#include "jailer/child/raw_calls.hpp"
#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kListener = 3, kFolder = 4;  ///< as jailsvc-learn expects them
constexpr int kOutOfTheWay = 10;
constexpr int kNotExecuted = 127;

/// Root's alone: what services do is nobody else's business.
Result<Fd> open_records(const std::string& path) {
    TRY_VOID(sys::make_directories(path));
    TRY(Fd folder, sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (::fchmod(folder.get(), 0700) == -1) return fail_errno("chmod " + path);
    return folder;
}

/// [child] Only system calls.
[[noreturn]] void become(const char* program, const char* const* argv, int listener,
                         int folder) noexcept {
    const int from = raw::call_int(SYS_fcntl, listener, F_DUPFD, kOutOfTheWay);
    const int records = raw::call_int(SYS_fcntl, folder, F_DUPFD, kOutOfTheWay);
    raw::call(SYS_dup3, from, kListener, 0);
    raw::call(SYS_dup3, records, kFolder, 0);
    raw::call(SYS_close_range, kFolder + 1, ~0U, 0);
    const char* const environment[] = {nullptr};
    raw::call(SYS_execve, program, argv, environment);
    raw::exit_now(kNotExecuted);
}

}  // namespace

Result<void> start_learner(const SpawnContext& context, const std::string& unit,
                           const std::string& program, Parked& parked) {
    TRY(const Fd folder, open_records(context.records));
    const std::string pid = std::to_string(parked.pid);
    const std::string notice = std::to_string(parked.notice);
    const std::array<const char*, 7> argv{"jailsvc-learn", "record",       unit.c_str(),
                                          pid.c_str(),     notice.c_str(), program.c_str(),
                                          nullptr};
    clone_args arguments{};
    arguments.flags =
        CLONE_CLEAR_SIGHAND | (context.clone_parent ? std::uint64_t{CLONE_PARENT} : 0);
    arguments.exit_signal = context.clone_parent ? 0 : SIGCHLD;
    const long child = raw::call(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        become(context.learner.c_str(), argv.data(), parked.listener.get(), folder.get());
    }
    if (child < 0) return fail_errno("clone3", static_cast<int>(-child));
    parked.opened = true;
    parked.listener = Fd();
    return {};
}

}  // namespace jailsvc::jailer
