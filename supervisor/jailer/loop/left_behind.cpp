#include "jailer/loop/left_behind.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "base/fd.hpp"
#include "jailer/loop/trash_collector.hpp"
#include "jailer/plan/account_view.hpp"

namespace jailsvc::jailer {

/// Only root may write in these directories; links would not be followed all the same. Whoever
/// holds the lock of the run directory is the keeper that we ended with, or nobody, while we take
/// it, or the keeper of a supervisor that has begun meanwhile: then they are that one's.
void remove_left_behind(const Places& places, pid_t keeper) {
    const Fd lock(::open(places.run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const bool unheld = lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
    if (!unheld && ::getppid() != keeper) return;
    for (const std::string& root :
         {places.notify_root(), places.open_notify_root(), accounts_root(places)}) {
        std::error_code ignored;
        std::filesystem::remove_all(root, ignored);
    }
    // What holds something still goes with the machine's next start.
    for (const std::string& empty : {places.run + "/stage", places.run + "/set-property",
                                     places.run + "/units", trash_directory(places)}) {
        (void)::rmdir(empty.c_str());
    }
}

}  // namespace jailsvc::jailer
