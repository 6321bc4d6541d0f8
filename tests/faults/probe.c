/* What a program finds of its jail from the inside; what the kernel tells of it from outside is for
 * the test to read. One fact a line, the same lines in every jail of one unit; then "end", and it
 * waits. Static, since its jail may hold no library. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static void say(const char* what, const char* about, long value) {
    if (value < 0) {
        printf("%s %s: %s\n", what, about, strerror(errno));
    } else {
        printf("%s %s: %ld\n", what, about, value);
    }
}

/* The session keyring by all but its number: type, owner, permissions, name (keyctl(2)). */
static void tell_keyring(void) {
    char text[256] = "";
    const long size =
        syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, text, sizeof text - 1);
    printf("keyring %s\n", size < 0 ? strerror(errno) : text);
}

static void tell_process(void) {
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int signo = 1; signo < NSIG; ++signo) {
        struct sigaction action;
        if (sigismember(&blocked, signo) == 1) say("blocked", "", signo);
        if (sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
            say("ignored", "", signo);
        }
    }
    int death = 0;
    prctl(PR_GET_PDEATHSIG, &death);
    say("death", "signal", death);
    say("leads", "session", getsid(0) == getpid());
    say("leads", "group", getpgid(0) == getpid());
    say("dumpable", "", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    say("securebits", "", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    say("slack", "", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    const mode_t mask = umask(0);
    umask(mask);
    say("umask", "", (long)mask);
}

static void tell_paths(void) {
    static const char* const paths[] = {
        "/",         "/etc/passwd", "/usr/lib/os-release", "/root", "/home",          "/tmp",
        "/var/tmp",  "/dev/null",   "/dev/kmsg",           "/run",  "/proc/sys",      "/proc/kcore",
        "/dev/shm",  "/sys",        "/proc/1/root",        "/etc",  "/var/lib/probe", "/srv/seen",
        "/srv/shut", "/run/probe"};
    for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; ++i) {
        for (int flags = O_RDONLY; flags <= O_WRONLY; ++flags) {
            const int fd = open(paths[i], flags | O_CLOEXEC | O_NONBLOCK);
            say(flags == O_RDONLY ? "read" : "write", paths[i], fd < 0 ? -1 : 0);
            if (fd >= 0) close(fd);
        }
    }
    char here[256] = "";
    printf("here %s\n", getcwd(here, sizeof here) != NULL ? here : strerror(errno));
}

static void tell_calls(void) {
    struct utsname name;
    if (uname(&name) == 0) printf("host %s\n", name.nodename);
    say("unshare", "user", unshare(0x10000000 /* CLONE_NEWUSER */));
    say("call", "io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
    say("call", "bpf", syscall(SYS_bpf, 0, NULL, 0));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    say("socket", "inet", fd < 0 ? -1 : 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(65321)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    say("bind", "65321", bind(fd, (const struct sockaddr*)&where, sizeof where));
    where.sin_port = htons(65322);
    say("connect", "65322", connect(fd, (const struct sockaddr*)&where, sizeof where));
}

extern char** environ;

int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (char** variable = environ; *variable != NULL; ++variable) printf("env %s\n", *variable);
    tell_keyring();
    tell_process();
    tell_calls();
    tell_paths();
    printf("end\n");
    fflush(stdout);
    for (;;) pause();
}
