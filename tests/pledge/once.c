/* Tries to execute another program, in each way there is, and says what came of it: "fork ENOSYS".
 * One that succeeds says "WAY executed" (it executes this program anew, with the word "executed").
 *
 * usage: once WAY...    fork, vfork, thread, spawn, execveat, override, self
 *        once wait      waits for SIGUSR1, then tries; exits with 0 if that failed with ENOSYS,
 * with 9 if it worked */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char* own_path;

static void say(const char* way, const char* what) {
    char line[128];
    const int length = snprintf(line, sizeof line, "%s %s\n", way, what);
    if (write(1, line, (size_t)length) != length) _exit(3);
}

static const char* error_name(int code) {
    if (code == ENOSYS) return "ENOSYS";
    if (code == EPERM) return "EPERM";
    return strerror(code);
}

static int try_exec(const char* way) {
    char* const argv[] = {own_path, "executed", (char*)way, NULL};
    char* const environment[] = {NULL};
    execve(own_path, argv, environment);
    return errno;
}

static void reap(pid_t pid) {
    if (pid < 0 || waitpid(pid, NULL, 0) != pid) _exit(4);
}

static void from_fork(void) {
    const pid_t pid = fork();
    if (pid == 0) {
        say("fork", error_name(try_exec("fork")));
        _exit(0);
    }
    reap(pid);
}

static void from_vfork(void) {
    const pid_t pid = vfork();
    if (pid == 0) {
        say("vfork", error_name(try_exec("vfork")));
        _exit(0);
    }
    reap(pid);
}

static void* thread_main(void* ignored) {
    (void)ignored;
    say("thread", error_name(try_exec("thread")));
    return NULL;
}
static void from_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_main, NULL) != 0) _exit(5);
    pthread_join(thread, NULL);
}

static void by_spawn(void) {
    char* const argv[] = {own_path, "executed", "spawn", NULL};
    char* const environment[] = {NULL};
    pid_t pid = -1;
    const int code = posix_spawn(&pid, own_path, NULL, NULL, argv, environment);
    if (code != 0) return say("spawn", error_name(code));
    reap(pid);
}

static void by_descriptor(void) {
    const int fd = open(own_path, O_RDONLY | O_CLOEXEC);
    char* const argv[] = {own_path, "executed", "execveat", NULL};
    char* const environment[] = {NULL};
    const pid_t pid = fork();
    if (pid == 0) {
        syscall(SYS_execveat, fd, "", argv, environment, AT_EMPTY_PATH);
        say("execveat", error_name(errno));
        _exit(0);
    }
    reap(pid);
}

/* Another filter that asks about every exec, and answers itself. */
static int own_listener(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {4, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &program);
}
static void by_override(void) {
    const int listener = own_listener();
    if (listener < 0) return say("override", error_name(errno));
    const pid_t pid = fork();
    if (pid == 0) {
        say("override", error_name(try_exec("override")));
        _exit(0);
    }
    struct seccomp_notif notice;
    memset(&notice, 0, sizeof notice);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notice) != 0) _exit(6);
    struct seccomp_notif_resp response = {notice.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
    reap(pid);
}

static void note(int signo) {
    (void)signo;
}

/* Blocked before it is caught: whoever sees it caught may send it. */
static int wait_for_signal(void) {
    sigset_t wanted, before;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    sigprocmask(SIG_BLOCK, &wanted, &before);
    signal(SIGUSR1, note);
    sigsuspend(&before);
    return try_exec("wait") == ENOSYS ? 0 : 8;
}

int main(int argc, char** argv) {
    if (argc == 3 && strcmp(argv[1], "executed") == 0) {
        say(argv[2], "executed");
        return strcmp(argv[2], "wait") == 0 ? 9 : 0;
    }
    own_path = argv[0];
    if (argc == 2 && strcmp(argv[1], "wait") == 0) return wait_for_signal();
    const struct {
        const char* name;
        void (*run)(void);
    } ways[] = {{"fork", from_fork}, {"vfork", from_vfork},       {"thread", from_thread},
                {"spawn", by_spawn}, {"execveat", by_descriptor}, {"override", by_override}};
    for (int word = 1; word < argc; ++word) {
        for (size_t i = 0; i < sizeof ways / sizeof ways[0]; ++i) {
            if (strcmp(argv[word], ways[i].name) == 0) ways[i].run();
        }
        if (strcmp(argv[word], "self") == 0) say("self", error_name(try_exec("self")));
    }
    return 0;
}
