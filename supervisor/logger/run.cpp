#include "logger/run.hpp"

#include <ev.h>
#include <fcntl.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/privilege.hpp"
#include "base/sys.hpp"
#include "logger/loop.hpp"
#include "logger/sandbox.hpp"

namespace jailsvc::logger {
namespace {

/// Makes the log directory ours while we are still root.
Result<void> prepare_directory(const std::string& path) {
    TRY_VOID(sys::make_directories(path, 0755));
    if (::geteuid() != 0) return {};
    // Not by path: where a group may write to /var/log, a link in our place would be given away.
    TRY(const Fd directory, sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (::fchown(directory.get(), kLoggerUid, kLoggerUid) == -1) {
        return fail_errno("chown " + path);
    }
    // Logs may hold what only the administrator should read.
    if (::fchmod(directory.get(), 0750) == -1) return fail_errno("chmod " + path);
    return {};
}

Result<int> serve(const Places& places) {
    TRY_VOID(prepare_directory(places.log));
    Outlets outlets = Outlets::open();
    TRY_VOID(drop_privileges(kLoggerUid));
    // The other threads hardly allocate: no arenas of their own (mallopt(3)).
    ::mallopt(M_ARENA_MAX, 1);
    TRY(auto loop, Loop::make(places.log, std::move(outlets)));
    TRY_VOID(confine(places.log));
    return loop->run();
}

}  // namespace

int run(const Places& places) {
    if (places.quiet) spdlog::set_level(spdlog::level::warn);
    ::signal(SIGPIPE, SIG_IGN);  // a follower that went away is an error code, not a death
    ::umask(027);
    const auto status = serve(places);
    if (!status) {
        spdlog::error("logger: {}", status.error().message);
        return 1;
    }
    return *status;
}

}  // namespace jailsvc::logger
