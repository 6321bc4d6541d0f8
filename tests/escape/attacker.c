/* The attacker: one trick by name, run in a jail or, as the control, beside it. It prints "done"
 * and exits 0 where the trick works; else it prints the errno's text and exits with its number.
 * Static, so that it runs in any root. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int verdict(long result) {
    const int code = result < 0 ? errno : 0;
    puts(code == 0 ? "done" : strerror(code));
    return code;
}

static int open_for(const char* path, int flags) {
    return verdict(open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

/* Opened for writing, never written: the machine is not ours. */
static int opens_for_writing(const char* path) {
    return open_for(path, O_WRONLY);
}
static int opens_for_reading(const char* path) {
    return open_for(path, O_RDONLY);
}

static int lists(const char* path) {
    return verdict(opendir(path) == NULL ? -1 : 0);
}

static int enters_namespace(const char* path) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    return verdict(fd < 0 ? -1 : setns(fd, 0));
}

static int traces(const char* pid) {
    return verdict(ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL));
}

static int reads_memory(const char* pid) {
    char byte;
    /* Whatever is mapped: a refusal comes before the address is looked at. */
    struct iovec here = {&byte, 1}, there = {(void*)(size_t)0x400000, 1};
    const long got = process_vm_readv(atoi(pid), &here, 1, &there, 1, 0);
    if (got < 0 && errno == EFAULT) return puts("done"), 0;
    return verdict(got);
}

static int takes_descriptor(const char* pid) {
    const int target = (int)syscall(SYS_pidfd_open, atoi(pid), 0);
    const long fd = target < 0 ? -1 : syscall(SYS_pidfd_getfd, target, 0, 0);
    if (fd < 0 && errno == EBADF) return puts("done"), 0; /* allowed, and none there */
    return verdict(fd);
}

static int kills(const char* pid) {
    return verdict(kill(atoi(pid), SIGKILL));
}

/* A child that waits, and the trick tried on it: what the same program can do to its own kind. */
static int on_child(int (*trick)(const char*)) {
    char pid[16];
    const pid_t child = fork();
    if (child == 0) {
        for (;;) pause();
    }
    snprintf(pid, sizeof pid, "%d", child);
    const int code = trick(pid);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return code;
}
static int traces_child(const char* unused) {
    (void)unused;
    return on_child(traces);
}
static int reads_child(const char* unused) {
    (void)unused;
    return on_child(reads_memory);
}
static int takes_from_child(const char* unused) {
    (void)unused;
    return on_child(takes_descriptor);
}

/* The break-out of old: a directory kept open over a second chroot, then upwards. */
static int breaks_out(const char* marker) {
    const int outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (outside < 0 || (mkdir("/tmp/lower", 0755) < 0 && errno != EEXIST)) return verdict(-1);
    if (chroot("/tmp/lower") < 0 || fchdir(outside) < 0) return verdict(-1);
    for (int i = 0; i < 64; ++i) {
        if (chdir("..") < 0) return verdict(-1);
    }
    if (chroot(".") < 0) return verdict(-1);
    return verdict(access(marker, F_OK));
}
/* The same after a plain chroot into the directory of argv[3]: the control. */
static const char* chroot_first;
static int breaks_out_of_chroot(const char* marker) {
    if (chroot(chroot_first) < 0 || chdir("/") < 0) return verdict(-1);
    return breaks_out(marker);
}

/* What a user namespace of one's own gives: every capability in it. */
static int make_user_namespace(void) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP) < 0) return -1;
    const pid_t child = fork();
    if (child <= 0) return child;
    int status = 0;
    waitpid(child, &status, 0);
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128);
}
static int unmounts(const char* path) {
    return verdict(umount2(path, MNT_DETACH));
}
static int unmounts_in_user_namespace(const char* path) {
    return make_user_namespace() < 0 ? verdict(-1) : unmounts(path);
}
static int remounts(const char* path) {
    return verdict(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL));
}
static int remounts_in_user_namespace(const char* path) {
    return make_user_namespace() < 0 ? verdict(-1) : remounts(path);
}
static int mounts(const char* type) {
    const char* options = strcmp(type, "cgroup") == 0 ? "none,name=jailsvc-escape" : NULL;
    return verdict(mount("none", "/tmp", type, 0, options));
}
static int mounts_in_user_namespace(const char* type) {
    return make_user_namespace() < 0 ? verdict(-1) : mounts(type);
}

static int makes_device(const char* path) {
    unlink(path);
    if (mknod(path, S_IFCHR | 0666, makedev(1, 3)) < 0) return verdict(-1);
    const int fd = open(path, O_WRONLY);
    const int code = verdict(fd);
    unlink(path);
    return code;
}

/* A hierarchy of cgroup v1 with nothing but a name, and the program that the kernel is to run when
 * a group of it is empty. The program is not there, and nothing tells to run it. */
static int names_release_agent(const char* place) {
    char file[256];
    snprintf(file, sizeof file, "%s/release_agent", place);
    if (mount("none", place, "cgroup", 0, "none,name=jailsvc-escape") < 0) return verdict(-1);
    const int fd = open(file, O_WRONLY | O_CLOEXEC);
    const int code = verdict(fd < 0 ? -1 : write(fd, "/no/such", 8));
    umount2(place, MNT_DETACH);
    return code;
}
static int names_release_agent_in_user_namespace(const char* place) {
    return make_user_namespace() < 0 ? verdict(-1) : names_release_agent(place);
}

static int reads_key(const char* serial) {
    char payload[64] = "";
    const long got = syscall(SYS_keyctl, KEYCTL_READ, atoi(serial), payload, sizeof payload - 1);
    return verdict(got);
}

static int pushes_input(const char* unused) {
    (void)unused;
    return verdict(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int calls_abstract(const char* name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    return verdict(connect(fd, (struct sockaddr*)&address, size));
}

/* Children that all live at once; "done" when as many as asked for came to be. */
static int forks(const char* count) {
    const int wanted = atoi(count);
    int alive = 0;
    long result = 0;
    for (; alive < wanted && result >= 0; ++alive) {
        result = fork();
        if (result == 0) {
            for (;;) pause();
        }
    }
    const int code = verdict(result);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM); /* its own group */
    return code;
}

static int kills_all(const char* unused) {
    (void)unused;
    const pid_t child = fork();
    if (child == 0) {
        for (;;) pause();
    }
    int status = 0;
    if (kill(-1, SIGKILL) < 0) return verdict(-1);
    waitpid(child, &status, 0);
    return verdict(WIFSIGNALED(status) ? 0 : -1);
}

static const struct {
    const char* name;
    int (*run)(const char*);
} kTricks[] = {{"opens-for-writing", opens_for_writing},
               {"opens-for-reading", opens_for_reading},
               {"lists", lists},
               {"enters-namespace", enters_namespace},
               {"traces", traces},
               {"reads-memory", reads_memory},
               {"takes-descriptor", takes_descriptor},
               {"kills", kills},
               {"kills-all", kills_all},
               {"traces-child", traces_child},
               {"reads-child", reads_child},
               {"takes-from-child", takes_from_child},
               {"breaks-out", breaks_out},
               {"breaks-out-of-chroot", breaks_out_of_chroot},
               {"unmounts", unmounts},
               {"unmounts-in-user-namespace", unmounts_in_user_namespace},
               {"remounts", remounts},
               {"remounts-in-user-namespace", remounts_in_user_namespace},
               {"mounts", mounts},
               {"mounts-in-user-namespace", mounts_in_user_namespace},
               {"makes-device", makes_device},
               {"names-release-agent", names_release_agent},
               {"names-release-agent-in-user-namespace", names_release_agent_in_user_namespace},
               {"reads-key", reads_key},
               {"pushes-input", pushes_input},
               {"calls-abstract", calls_abstract},
               {"forks", forks}};

int main(int argc, char** argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    chroot_first = argc > 3 ? argv[3] : "/";
    for (size_t i = 0; argc > 1 && i < sizeof kTricks / sizeof *kTricks; ++i) {
        if (strcmp(argv[1], kTricks[i].name) == 0) {
            return kTricks[i].run(argc > 2 ? argv[2] : "");
        }
    }
    puts("no such trick");
    return 255;
}
