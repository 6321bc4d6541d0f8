/* Tells what it may do before main and in it: "before open yes", "main map EPERM".
 *
 * usage: staged [cheat|leave]   before main, it says itself that the second stage is there, or ends
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char** environ;

static int to_thread[2], from_thread[2];
static pthread_t thread;

static void say(const char* when, const char* what, int failed) {
    char line[128];
    const char* how = !failed ? "yes" : errno == EPERM ? "EPERM" : strerror(errno);
    const int length = snprintf(line, sizeof line, "%s %s %s\n", when, what, how);
    if (write(1, line, (size_t)length) != length) _exit(3);
}

static int try_open(void) {
    const int fd = open("/etc/passwd", O_RDONLY);
    if (fd >= 0) close(fd);
    return fd < 0;
}

/* musl's mmap says ENOMEM in the place of EPERM. */
static int try_map(void) {
    return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                   0) == -1;
}

static void* in_thread(void* unused) {
    char byte;
    if (read(to_thread[0], &byte, 1) != 1) _exit(4);
    say("thread", "open", try_open());
    if (write(from_thread[1], &byte, 1) != 1) _exit(4);
    return unused;
}

static int was_told(const char* word) {
    char line[4096];
    const int fd = open("/proc/self/cmdline", O_RDONLY);
    const ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0) close(fd);
    if (length <= 0) return 0;
    line[length] = '\0';
    const char* const first = line + strlen(line) + 1;
    return first < line + length && strcmp(first, word) == 0;
}

__attribute__((constructor)) static void before(void) {
    say("before", "open", try_open());
    say("before", "map", try_map());
    if (was_told("leave")) _exit(0);
    if (was_told("cheat")) {
        const unsigned reached[4] = {5, 0xfffffffc, 0, 0};
        char byte;
        if (send(3, reached, sizeof reached, 0) < 0) _exit(5);
        if (read(3, &byte, 1) == 1) say("before", "cheated", 0);
    }
    if (pipe(to_thread) != 0 || pipe(from_thread) != 0) _exit(6);
    if (pthread_create(&thread, NULL, in_thread, NULL) != 0) _exit(6);
}

int main(void) {
    char byte = 0;
    say("main", "open", try_open());
    say("main", "map", try_map());
    if (write(to_thread[1], &byte, 1) != 1 || read(from_thread[0], &byte, 1) != 1) return 7;
    const int clean = getenv("LD_PRELOAD") == NULL && getenv("JAILSVC_GATE") == NULL;
    say("main", clean ? "clean" : "environment", !clean);
    say("main", "closed", fcntl(3, F_GETFD) != -1);
    return 0;
}
