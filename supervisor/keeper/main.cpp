// jailsvc-keeper: the second and longest of the programs that PID 1 is (pid1/handover.hpp). Starts
// and keeps the engine, the jailer and the logger, reaps everything, and holds what must outlive
// the three. Without a heap, a C library or an exception.

#include <sys/resource.h>

#include "keeper/keeper.hpp"
#include "pid1/handover.hpp"
#include "pid1/log.hpp"
#include "pid1/machine.hpp"

namespace {

using namespace jailsvc;

constexpr std::size_t kReservedDescriptors = 256;  ///< not to be kept for others

constinit keeper::Keeper self;

/// There is room: jailsvc-init had more descriptors open.
void keep(ipc::Kept kind, int fd) noexcept {
    ipc::Key key{};
    key.kind = kind;
    (void)self.store.put(key, fd);
}

}  // namespace

int main(int argc, char** argv) {
    pid1::show_title();
    if (argc <= pid1::kRoleArgument || !pid1::take_over(pid1::kSignalsFd)) {
        pid1::log("this is the second part of jailsvc-init; start that");
        pid1::give_up(2);
    }
    self.arguments = argv + pid1::kProgramArgument;
    rlimit files{};
    ::prlimit(0, RLIMIT_NOFILE, nullptr, &files);
    self.store.limit = files.rlim_cur - std::min(kReservedDescriptors, files.rlim_cur / 2);
    keep(ipc::Kept::kState, pid1::kStateFd);
    keep(ipc::Kept::kControl, pid1::kControlFd);
    keeper::run(self);

    const pid1::End end{self.kind,
                        self.exit_code,
                        {self.member(ipc::Role::kEngine).pid, self.member(ipc::Role::kJailer).pid,
                         self.member(ipc::Role::kLogger).pid}};
    for (const keeper::Member& member : self.members) {
        if (member.channel != 0) pid1::leave_open(member.channel);
    }
    pid1::execute_end(end);
    pid1::finish(end.kind, 1);
}
