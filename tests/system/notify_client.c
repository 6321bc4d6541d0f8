/* A service as people write them with libsystemd: does what its arguments say, one after the other.
 *   notify TEXT    sd_notify(3)
 *   barrier        sd_notify_barrier(3); fails if it is not answered within 10 s
 *   store NAME     a new memfd that holds NAME, to be kept: sd_pid_notify_with_fds(3)
 *   remove NAME    FDSTOREREMOVE
 *   pass           a descriptor without FDSTORE, then whether it was closed at the other end
 *   held           prints what sd_listen_fds_with_names(3) finds, and what each holds
 *   ping N         N pings, at half of WATCHDOG_USEC each: sd_watchdog_enabled(3)
 *   fork           goes on in a child; the parent says MAINPID, and ends once that is heard
 *   usr1           waits for SIGUSR1, which is blocked from the beginning
 *   exit N
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { kPatienceMs = 10000, kMicroseconds = 1000000 };

static void fail(const char *what) {
    fprintf(stderr, "%s: failed\n", what);
    exit(70);
}

static void barrier(void) {
    if (sd_notify_barrier(0, 10ULL * kMicroseconds) < 0) fail("barrier");
}

static void store(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC);
    char text[300];
    if (fd < 0 || write(fd, name, strlen(name)) < 0) fail("memfd");
    snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s", name);
    if (sd_pid_notify_with_fds(0, 0, text, &fd, 1) < 0) fail("store");
    close(fd);
}

/* The other end of a pipe shows when nobody holds it any more. */
static void pass(void) {
    int ends[2];
    if (pipe(ends) < 0 || sd_pid_notify_with_fds(0, 0, "STATUS=passed", &ends[1], 1) < 0) {
        fail("pass");
    }
    close(ends[1]);
    struct pollfd watched = {.fd = ends[0]};
    if (poll(&watched, 1, kPatienceMs) != 1 || (watched.revents & POLLHUP) == 0) fail("closed");
    close(ends[0]);
    puts("passed descriptor was closed");
}

static void held(void) {
    char **names = NULL;
    int count = sd_listen_fds_with_names(0, &names);
    printf("held %d\n", count);
    for (int i = 0; i < count; ++i) {
        char text[300] = {0};
        if (pread(SD_LISTEN_FDS_START + i, text, sizeof text - 1, 0) < 0) fail("read");
        printf("fd %s holds %s\n", names[i], text);
    }
}

static void ping(int times) {
    uint64_t interval = 0;
    if (sd_watchdog_enabled(0, &interval) <= 0) fail("watchdog");
    for (int i = 0; i < times; ++i) {
        sd_notify(0, "WATCHDOG=1");
        usleep((useconds_t)(interval / 2));
    }
    puts("pinged");
}

static void go_on_in_child(void) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) return;
    sd_notifyf(0, "MAINPID=%d", (int)child);
    barrier();
    _exit(0);
}

int main(int argc, char **argv) {
    sigset_t waited;
    int signo = 0;
    sigemptyset(&waited);
    sigaddset(&waited, SIGUSR1);
    sigprocmask(SIG_BLOCK, &waited, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; ++i) {
        const char *what = argv[i];
        if (strcmp(what, "notify") == 0 && i + 1 < argc) {
            if (sd_notify(0, argv[++i]) < 0) fail("notify");
        } else if (strcmp(what, "barrier") == 0) {
            barrier();
            puts("barrier passed");
        } else if (strcmp(what, "store") == 0 && i + 1 < argc) {
            store(argv[++i]);
        } else if (strcmp(what, "remove") == 0 && i + 1 < argc) {
            sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", argv[++i]);
        } else if (strcmp(what, "pass") == 0) {
            pass();
        } else if (strcmp(what, "held") == 0) {
            held();
        } else if (strcmp(what, "ping") == 0 && i + 1 < argc) {
            ping(atoi(argv[++i]));
        } else if (strcmp(what, "fork") == 0) {
            go_on_in_child();
        } else if (strcmp(what, "usr1") == 0) {
            sigwait(&waited, &signo);
        } else if (strcmp(what, "exit") == 0 && i + 1 < argc) {
            return atoi(argv[++i]);
        } else {
            fail(what);
        }
    }
    for (;;) pause();
}
