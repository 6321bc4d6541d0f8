// jailsvc-end: the last of the programs that PID 1 is (pid1/handover.hpp). Ends what is left, then
// the machine, the container, or only itself with the exit code. Executed from memory: the disk may
// be gone. Without a heap, a C library or an exception.

#include <unistd.h>

#include "ending/ending.hpp"
#include "pid1/log.hpp"
#include "pid1/machine.hpp"

int main(int argc, char** argv) {
    using namespace jailsvc;
    pid1::show_title();
    pid1::End end{};
    if (!pid1::take_over(pid1::kRunFd) || !pid1::read_end(argc, argv, end)) {
        pid1::log("this is the last part of jailsvc-init; start that");
        pid1::give_up(2);
    }
    ::unlinkat(pid1::kRunFd, pid1::kControlName, 0);
    ending::end_processes(end);
    ending::leave_disks();
    pid1::finish(end.kind, end.exit_code);
}
