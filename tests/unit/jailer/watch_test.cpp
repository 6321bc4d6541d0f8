#include "jailer/loop/watch.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "base/fd.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

int refusals = 0;  ///< so many additions are refused

struct FreeLoop {
    void operator()(struct ev_loop* loop) const { ev_loop_destroy(loop); }
};

}  // namespace

/// The kernel's, which may be out of memory; taken before the C library's.
extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    if (operation == EPOLL_CTL_ADD && refusals > 0) {
        --refusals;
        errno = ENOMEM;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

TEST_CASE("jailer watch: one that is refused is tried again until it is stopped", "[jailer]") {
    const std::unique_ptr<struct ev_loop, FreeLoop> loop(ev_loop_new(EVBACKEND_EPOLL));
    REQUIRE(loop);
    const RefusalAlarm alarm(loop.get());
    ev_run(loop.get(), EVRUN_NOWAIT);  // the alarm's own is watched
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd out(ends[0]);
    const Fd in(ends[1]);
    REQUIRE(::write(in.get(), "", 1) == 1);
    bool limit_passed = false;
    TimerWatch limit(loop.get());
    limit.start(10, [&] { limit_passed = true; });
    IoWatch watch(loop.get());
    int calls = 0;
    watch.start(out.get(), EV_READ, [&] {
        ++calls;
        watch.stop();
        limit.stop();
    });
    refusals = 3;
    ev_run(loop.get(), EVRUN_ONCE);  // woken by the alarm, long before the limit
    CHECK_FALSE(limit_passed);
    CHECK(refusals == 2);
    CHECK(calls == 0);
    CHECK(watch.active());
    SECTION("then it tells") {
        while (calls == 0 && !limit_passed) ev_run(loop.get(), EVRUN_ONCE);
        CHECK(refusals == 0);
        CHECK(calls == 1);
        CHECK_FALSE(watch.active());
    }
    SECTION("stopped meanwhile, it stays silent") {
        watch.stop();
        limit.stop();
        refusals = 0;
        CHECK_FALSE(watch.active());
        ev_run(loop.get(), EVRUN_NOWAIT);
        CHECK(calls == 0);
    }
}
