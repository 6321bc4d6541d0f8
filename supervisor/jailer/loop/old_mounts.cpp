#include "jailer/loop/old_mounts.hpp"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/channel.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kSoon = 0.05;  ///< [s]: by then the unit has started again
constexpr int kNiceness = 10;   ///< nobody waits for it

/// Read without room for them, descriptors are closed by the reader (unix(7), MSG_CTRUNC).
void drop_all(int socket) {
    (void)::setpriority(PRIO_PROCESS, 0, kNiceness);
    char byte = 0;
    while (::read(socket, &byte, sizeof byte) == sizeof byte) {
    }
}

}  // namespace

OldMounts::OldMounts(struct ev_loop* loop) : soon_(loop), watch_(loop) {}

void OldMounts::free_later(Fd mounts) {
    if (!mounts) return;
    if (!ours_) {
        int ends[2] = {-1, -1};
        const int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
        if (::socketpair(AF_UNIX, type, 0, ends) == -1) return;  // freed here and now
        ours_ = Fd(ends[0]);
        theirs_ = Fd(ends[1]);
        if (!worker_) soon_.start(kSoon, [this] { begin(); });
    }
    const char byte = 0;
    const int fd = mounts.get();
    (void)ipc::send_raw(ours_.get(), &byte, sizeof byte, &fd, 1);  // if full: here and now
}

void OldMounts::begin() {
    ours_ = Fd();  // the end of file after the last
    auto worker = WorkerProcess::start([this] { drop_all(theirs_.get()); }, {theirs_.get()});
    theirs_ = Fd();
    if (!worker) return spdlog::warn("old mounts: {}", worker.error().message);
    worker_.emplace(std::move(*worker));
    watch_.start(worker_->pidfd(), EV_READ, [this] { ended(); });
}

void OldMounts::ended() {
    watch_.stop();
    (void)worker_->poll();
    worker_.reset();
    if (ours_) soon_.start(kSoon, [this] { begin(); });
}

}  // namespace jailsvc::jailer
