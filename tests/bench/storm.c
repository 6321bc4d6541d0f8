// Leaves 20,000 orphans to PID 1 of its pid namespace and prints what reaping cost it.
//
// usage: storm ROLE …   ROLE jailer storms, any other waits for its end, so that the program can
// stand in for jailsvcd. Writes "CPU-MICROSECONDS-PER-ORPHAN LEFT" to the file named by
// STORM_RESULT.
#define _GNU_SOURCE
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kOrphans = 20000, kAtOnce = 500, kPatienceMs = 20000 };

static double cpu_us(void) {
    double nanoseconds = 0;
    FILE* file = fopen("/proc/1/schedstat", "r");
    if (file == NULL || fscanf(file, "%lf", &nanoseconds) != 1) exit(3);
    fclose(file);
    return nanoseconds / 1000;
}

static int processes(void) {
    int count = 0;
    DIR* folder = opendir("/proc");
    for (struct dirent* entry; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
    }
    closedir(folder);
    return count;
}

/// They wait until their parent is gone, so that each ends as PID 1's.
static void leave_orphans(void) {
    if (fork() == 0) {
        int gate[2];
        char byte;
        if (pipe(gate) < 0) _exit(1);
        for (int i = 0; i < kAtOnce; ++i) {
            if (fork() != 0) continue;
            close(gate[1]);
            _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
        }
        _exit(0);
    }
    while (wait(NULL) > 0) continue;
}

/// There is no event for the last of others' children. How many are left.
static int wait_for(int most) {
    int left = processes() - most;
    for (int ms = 0; left > 0 && ms < kPatienceMs; ms += 5) {
        poll(NULL, 0, 5);
        left = processes() - most;
    }
    return left;
}

int main(int argc, char** argv) {
    if (argc < 2 || strcmp(argv[1], "jailer") != 0) pause();
    poll(NULL, 0, 300);  // PID 1 and the others have settled
    const int before = processes();
    const double start = cpu_us();
    for (int i = 0; i < kOrphans / kAtOnce; ++i) leave_orphans();
    const int left = wait_for(before);
    FILE* result = fopen(getenv("STORM_RESULT"), "w");
    if (result == NULL) return 4;
    fprintf(result, "%.2f %d\n", (cpu_us() - start) / kOrphans, left);
    fclose(result);
    for (;;) pause();
}
