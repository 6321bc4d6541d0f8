/* What a plan worker must not be able to do. The same attempts run in the test itself, where they
 * work: that is their negative control. Each returns 0 if it worked. */
#ifndef PRISONER_ATTEMPTS_H
#define PRISONER_ATTEMPTS_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct attempt {
    const char* name;
    int (*run)(void);
};

static int attempt_socket(void) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) close(fd);
    return fd >= 0 ? 0 : -1;
}

static int attempt_fork(void) {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    if (pid < 0) return -1;
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static int attempt_write(void) {
    const int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) close(fd);
    return fd >= 0 ? 0 : -1;
}

/* A new memfd stands for every way to new writable memory with a descriptor. */
static int attempt_memfd(void) {
    const int fd = memfd_create("attempt", MFD_CLOEXEC);
    if (fd >= 0) close(fd);
    return fd >= 0 ? 0 : -1;
}

/* In the test, descriptor 3 and above are open somewhere; in the worker none is. */
static int attempt_inherited(void) {
    int fd = 3;
    for (; fd < 64; ++fd) {
        if (fcntl(fd, F_GETFD) != -1) return 0;
    }
    return -1;
}

static const struct attempt kAttempts[] = {
    {"SOCKET", attempt_socket}, {"FORK", attempt_fork},           {"WRITE", attempt_write},
    {"MEMFD", attempt_memfd},   {"INHERITED", attempt_inherited}, {NULL, NULL},
};

#endif
