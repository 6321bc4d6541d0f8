// What a filter of promises costs: a system call under it, against none, and making and installing
// it. libseccomp's search tree against its plain order of rules. Each measurement in a process of
// its own, since a filter stays.
//   usage: bench-filter-cost

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "filter.hpp"

namespace {

using namespace pledge;
using Clock = std::chrono::steady_clock;

constexpr int kCalls = 400000;
constexpr int kRounds = 7;
constexpr Promises kServer = kStdio | kRpath | kWpath | kCpath | kTcp | kProc;

double nanoseconds(Clock::time_point since, int count) {
    return std::chrono::duration<double, std::nano>(Clock::now() - since).count() / count;
}

bool install(const Filter& filter) {
    const sock_fprog program{static_cast<unsigned short>(filter.program.size()),
                             const_cast<sock_filter*>(filter.program.data())};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

/// The number that `body` comes to in a child; the median of some.
double measure(const std::function<double()>& body) {
    std::vector<double> all;
    for (int round = 0; round < kRounds; ++round) {
        int ends[2];
        if (::pipe(ends) != 0) return -1;
        const pid_t child = ::fork();
        if (child == 0) {
            const double value = body();
            ::_exit(::write(ends[1], &value, sizeof value) == sizeof value ? 0 : 1);
        }
        ::close(ends[1]);
        double value = -1;
        if (::read(ends[0], &value, sizeof value) != sizeof value) value = -1;
        ::close(ends[0]);
        ::waitpid(child, nullptr, 0);
        all.push_back(value);
    }
    std::ranges::sort(all);
    return all[all.size() / 2];
}

/// One whose arguments no rule looks at, which the kernel remembers by its number (since 5.11); one
/// whose arguments are compared each time; and one that is denied.
double call_cost(int which, const Filter* filter) {
    return measure([=] {
        if (filter != nullptr && !install(*filter)) return -1.0;
        const auto begin = Clock::now();
        for (int i = 0; i < kCalls; ++i) {
            if (which == 0) ::syscall(SYS_getppid);
            if (which == 1) ::syscall(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
            if (which == 2) ::syscall(SYS_setgroups, 0, nullptr);
        }
        return nanoseconds(begin, kCalls);
    });
}

void print(const char* name, const Filter& filter) {
    std::printf("%-28s %4zu instructions", name, filter.program.size());
    for (const int which : {0, 1, 2}) std::printf("  %6.1f", call_cost(which, &filter));
    std::printf("  install %5.1f us\n", measure([&] {
                    const auto begin = Clock::now();
                    const bool done = install(filter);
                    return done ? nanoseconds(begin, 1000) : -1.0;
                }));
}

}  // namespace

int main() {
    std::printf("[ns] a call:                                     cached  compared  denied\n");
    std::printf("%-46s", "no filter");
    for (const int which : {0, 1, 2}) std::printf("  %6.1f", call_cost(which, nullptr));
    std::printf("\n");
    for (const Promises promises : {Promises{kStdio}, kServer, kServer | kUnix | kId | kTty}) {
        const std::string size = promises == kStdio    ? "stdio"
                                 : promises == kServer ? "server"
                                                       : "many";
        print((size + ", tree").c_str(), compile(promises, Violation::kErrno));
        print((size + ", in order").c_str(),
              compile(promises, Violation::kErrno, Besides::kNothing, Order::kRules));
    }
    std::printf("compile: %.0f us, once per load of a unit\n", measure([] {
                    const auto begin = Clock::now();
                    const Filter filter = compile(kServer, Violation::kErrno);
                    return filter.error.empty() ? nanoseconds(begin, 1000) : -1.0;
                }));
    return 0;
}
