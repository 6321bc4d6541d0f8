#include "engine/run.hpp"

#include <ev.h>
#include <fcntl.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/sys.hpp"
#include "engine/engine.hpp"
#include "engine/sandbox.hpp"
#include "engine/stamps.hpp"

namespace jailsvc::engine {
namespace {

/// Lines for people on stderr, "unit: message"; who keeps them adds the time.
void open_log(bool quiet) {
    spdlog::set_default_logger(spdlog::stderr_logger_st("engine"));
    spdlog::set_pattern("%v");
    spdlog::set_level(quiet ? spdlog::level::warn : spdlog::level::info);
}

/// A thousand clients need more than the usual soft limit of 1,024 descriptors.
void allow_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == -1) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::optional<gid_t> operators_group() {
    const auto file = sys::read_file("/etc/group");
    return file ? find_group(*file, kOperatorGroup) : std::nullopt;
}

/// A mistyped --config would else look like a supervisor without units.
void tell_missing_config(const std::string& config) {
    if (config.empty()) return;
    for (const std::string& folder : {config, config + "/units"}) {
        if (::access(folder.c_str(), R_OK | X_OK) == 0) continue;
        return spdlog::error("--config {}: {}: {}; no unit is loaded from there", config, folder,
                             ::strerrordesc_np(errno));
    }
}

Result<void> confine(const std::string& writable) {
    TRY(const bool landlocked, deny_file_changes(writable));
    if (!landlocked) spdlog::info("engine: this kernel has no Landlock; files are not guarded");
    return filter_system_calls();
}

}  // namespace

int run(const Places& places) {
    open_log(places.quiet);
    const uid_t own_uid = ::geteuid();
    const auto operators = operators_group();
    allow_descriptors();
    const std::string stamps = stamps_directory(places);
    // As root, since the directory above it is root's.
    if (const auto made = Stamps::make_directory(stamps); !made) {
        spdlog::warn("engine: runs of persistent timers are not kept: {}", made.error().message);
    }
    if (const auto dropped = drop_privileges(); !dropped) {
        spdlog::critical("engine: {}", dropped.error().message);
        return 1;
    }
    tell_missing_config(places.config);
    // The terminal's Ctrl-C is the keeper's to hear; writing to a client that left is an error
    // code.
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGPIPE, SIG_IGN);
    struct ev_loop* loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (loop == nullptr) {
        spdlog::critical("engine: no event loop");
        return 1;
    }
    (void)::fcntl(ipc::kKeeperFd, F_SETFD, FD_CLOEXEC);
    Engine engine(loop, places, Roles(own_uid, operators), Fd(ipc::kKeeperFd));
    if (const auto confined = confine(stamps); !confined) {
        spdlog::critical("engine: {}", confined.error().message);
        return 1;
    }
    ev_run(loop, 0);
    spdlog::debug("engine: the keeper is gone");
    return 0;
}

}  // namespace jailsvc::engine
