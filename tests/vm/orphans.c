// orphans COUNT: leaves so many processes to whoever reaps orphans, at most 500 at a time; each
// waits until its parent is gone.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kAtOnce = 500 };

static void leave(int count) {
    int gate[2];
    if (pipe(gate) != 0) _exit(1);
    for (int i = 0; i < count; ++i) {
        const pid_t pid = fork();
        if (pid < 0) _exit(1);
        if (pid > 0) continue;
        char byte = 0;
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    _exit(0);
}

int main(int argc, char** argv) {
    for (int left = argc > 1 ? atoi(argv[1]) : 0; left > 0; left -= kAtOnce) {
        const pid_t pid = fork();
        if (pid < 0) return 1;
        if (pid == 0) leave(left < kAtOnce ? left : kAtOnce);
        int status = 0;
        if (waitpid(pid, &status, 0) != pid || status != 0) return 1;
    }
    return 0;
}
