#include "jailer/run.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/idle_memory.hpp"
#include "base/sys.hpp"
#include "jailer/jail/ground.hpp"
#include "jailer/jail/probe.hpp"
#include "jailer/loop/dispatch.hpp"
#include "jailer/loop/privileges.hpp"
#include "jailer/loop/watch.hpp"

namespace jailsvc::jailer {
namespace {

/// Root's alone: new roots are put together below it.
constexpr mode_t kPrivate = 0700;

/// The directory, ours and closed to others whoever made it.
Result<void> make_private(const std::string& path) {
    TRY_VOID(sys::make_directories(path));
    TRY(const Fd directory, sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    struct stat info{};
    if (::fstat(directory.get(), &info) == -1) return fail_errno("fstat " + path);
    if (info.st_uid != ::geteuid()) return fail(path + ": belongs to somebody else; remove it");
    if (::fchmod(directory.get(), kPrivate) == -1) return fail_errno("chmod " + path);
    return {};
}

/// A mount of the file alone, read-only and attached nowhere. The programs executed from it cannot
/// be written through /proc/PID/exe, by whoever gets so far in a jail (CVE-2019-5736).
Result<Fd> open_unwritable(const std::string& path) {
    Fd file(static_cast<int>(
        ::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    if (!file) return fail_errno("open_tree " + path);
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::syscall(SYS_mount_setattr, file.get(), "", AT_EMPTY_PATH, &attributes,
                  sizeof attributes) == -1) {
        return fail_errno("mount_setattr " + path);
    }
    return file;
}

/// Without it jails take a little longer to make.
std::shared_ptr<const Ground> find_ground(const std::string& stage) {
    auto ground = Ground::make(stage);
    if (ground) return std::make_shared<const Ground>(std::move(*ground));
    spdlog::info("jails are made by pivot_root: {}", ground.error().message);
    return nullptr;
}

Result<SpawnContext> prepare_spawning(const Places& places) {
    SpawnContext spawn;
    // Without root's rights there is no such mount, and no jail whose root could write it.
    TRY(Fd program,
        ::geteuid() == 0 ? open_unwritable(places.stub) : sys::open(places.stub, O_PATH));
    spawn.stub_program = program.release();  // held as long as the process lives
    spawn.stage_directory = places.run + "/stage";
    spawn.learner = places.learner;
    spawn.records = places.records();
    if (auto probe = hold_probe(places.probe)) {
        spawn.probe_program = probe->release();  // as the program
    } else {
        spdlog::error("health checks but exec cannot be made: {}", probe.error().message);
    }
    TRY_VOID(make_private(spawn.stage_directory));
    TRY_VOID(make_private(trash_directory(places)));
    if (::geteuid() == 0) {
        TRY(Fd probe, open_probe());
        spawn.probe = probe.release();  // as the program
        spawn.ground = find_ground(spawn.stage_directory);
    }
    return spawn;
}

PluginHost load_plugins(const Places& places) {
    PluginHost plugins = PluginHost::load(places);
    for (const auto& refusal : plugins.refusals()) spdlog::error("plugin {}", refusal);
    return plugins;
}

Result<void> run_loop(const Places& places) {
    TRY(FileLimits limits, raise_file_limit());
    if (places.files != 0) limits.soft = std::min(places.files, limits.hard);
    TRY_VOID(reduce_effective_capabilities());
    if (const std::string lacking = lacking_for_jails(); !lacking.empty()) {
        spdlog::warn(
            "uid {} has no capabilities {}: no unit can be started; run jailsvc-init as "
            "root",
            ::geteuid(), lacking);
    }
    // What a process inherits when its unit names no umask; our own files are given their modes.
    ::umask(022);
    ignore_no_signals();
    // Not SIG_IGN, which every service would inherit: a handler is gone at exec (signal(7)).
    ::signal(SIGPIPE, [](int) {});
    TRY(SpawnContext spawn, prepare_spawning(places));
    TRY_VOID(sys::make_directories(places.lib));
    // The logger's; but what a jail hides has to be there before the first jail is made, since a
    // mask passes over what is absent.
    TRY_VOID(sys::make_directories(places.log));
    TRY(Uids uids, Uids::open(places.lib + "/uids"));
    TRY(IdRanges ranges, IdRanges::open(places.lib + "/id-ranges"));
    TRY(PrivateNetworks networks, PrivateNetworks::open(places));

    // Not the default loop: that one reaps every child at SIGCHLD, the plan workers too.
    struct ev_loop* loop = ev_loop_new(EVFLAG_AUTO);
    if (loop == nullptr) return fail("no event loop: neither epoll nor poll works here");
    const RefusalAlarm alarm(loop);
    Fd keeper(ipc::kKeeperFd);
    if (::fcntl(keeper.get(), F_SETFD, FD_CLOEXEC) == -1) return fail_errno("keeper's channel");
    Dispatch dispatch(loop, places, load_plugins(places), std::move(spawn), std::move(uids),
                      std::move(ranges), std::move(networks), std::move(keeper));
    dispatch.units().set_file_limits(limits.soft, limits.hard);
    dispatch.begin();
    give_back_memory();
    ev_run(loop, 0);
    dispatch.end();
    return {};  // the keeper is gone: nothing is left to serve
}

}  // namespace

int run(const Places& places) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "jailer", std::make_shared<spdlog::sinks::stderr_sink_st>()));
    spdlog::set_pattern("jailer: %v");
    if (places.quiet) spdlog::set_level(spdlog::level::warn);
    if (auto done = run_loop(places); !done) {
        spdlog::critical("{}", done.error().message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

}  // namespace jailsvc::jailer
