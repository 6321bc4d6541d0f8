// jailsvc-init, the first stage: PID 1, child subreaper, or a container's entrypoint. Reads the
// options, makes what has to be made once, and becomes the keeper (pid1/handover.hpp).
// Static, without a heap, a library beyond libc, or an exception.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "boot/make.hpp"
#include "boot/options.hpp"
#include "pid1/log.hpp"
#include "pid1/machine.hpp"

namespace {

using namespace jailsvc;
using namespace jailsvc::boot;

char keeper[PATH_MAX];
char ending[PATH_MAX];
char daemon_path[PATH_MAX];

bool find_programs() noexcept {
    return find_program("jailsvc-keeper", keeper) && find_program("jailsvc-end", ending) &&
           find_program("jailsvcd", daemon_path);
}

/// To their numbers, and open for the next program. False: no descriptors are left.
bool place(Fd (&made)[5]) noexcept {
    constexpr int kAbove = 16;  // first out of each other's way
    for (Fd& each : made) {
        each = Fd(::fcntl(each.get(), F_DUPFD_CLOEXEC, kAbove));
        if (!each) return false;
    }
    const int numbers[] = {pid1::kRunFd, pid1::kEndFd, pid1::kControlFd, pid1::kStateFd,
                           pid1::kSignalsFd};
    for (std::size_t i = 0; i < std::size(made); ++i) {
        if (::dup2(made[i].get(), numbers[i]) < 0) return false;
    }
    return true;
}

/// All of them may hold as many descriptors as the hard limit allows. What was found goes on as an
/// option, since it is what a service gets.
void raise_limit(Options& options) noexcept {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    static char name[] = "--files";
    static char found[24];
    std::snprintf(found, sizeof found, "%lu", files.rlim_cur);
    options.arguments[options.count++] = name;
    options.arguments[options.count++] = found;
    files.rlim_cur = files.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &files) < 0)
        pid1::log("the limit of open files stays %s", found);
}

/// Returns only after an error, which was reported.
void become_keeper(Options& options) noexcept {
    const char* config = options.config;
    if (config != nullptr && (!is_trusted(config) || !is_reachable(config))) return;
    if (!is_reachable(options.run)) return;
    Fd made[5];
    made[0] = lock_run_directory(options.run);
    if (!made[0]) return;
    made[1] = load_program(ending);
    if (!made[1]) return;
    made[2] = open_control(options.run);
    if (!made[2]) return;
    made[3] = make_state();
    if (!made[3]) return;
    made[4] = open_signals();
    if (!made[4]) return;
    if (!place(made)) {
        pid1::log("no descriptors are left: %s; raise the limit", ::strerrordesc_np(errno));
        return;
    }
    raise_limit(options);
    static char title[] = "jailsvc-init";
    options.arguments[0] = title;
    options.arguments[pid1::kProgramArgument] = daemon_path;
    options.arguments[pid1::kRoleArgument] = title;  // the keeper puts a role there
    ::execve(keeper, options.arguments, environ);
    pid1::log("cannot execute %s: %s; install the whole of jailsvc", keeper,
              ::strerrordesc_np(errno));
}

}  // namespace

int main(int argc, char** argv) {
    static Options options;
    prepare_process();
    const int status = read_options(argc, argv, options);
    if (status >= 0) pid1::give_up(status);
    if (find_programs()) become_keeper(options);
    pid1::give_up(1);
}
