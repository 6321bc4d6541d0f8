/* Makes one system call after another and says of each what came of it: "NAME ok", "NAME EPERM".
 * Arguments are such that a permitted call fails for a reason of its own, if at all, never with
 * EPERM: what says EPERM or ENOSYS was denied.
 *
 * usage: prober [NAME]...   all, without a name
 *        prober door int80|x32|native */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOWHERE "/nonexistent/prober"
#define BAD ((void*)8)

static long raw(long number, long a, long b, long c, long d, long e, long f) {
    return syscall(number, a, b, c, d, e, f);
}
#define CALL(...) CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define CALL_(n, a, b, c, d, e, f, ...) \
    raw((long)(n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* One process, made and reaped; the result of making it. */
static long reaped(long pid) {
    if (pid == 0) syscall(SYS_exit_group, 0);
    if (pid > 0) syscall(SYS_wait4, pid, NULL, __WALL, NULL);
    return pid;
}
static long forks(long flags) {
    return reaped(CALL(SYS_clone, flags | SIGCHLD));
}

struct probe {
    const char* name;
    long (*run)(void);
};
#define PROBE(name, expression) \
    static long name(void) {    \
        return (expression);    \
    }
#define PROBES(X)                                                                               \
    X(write_null, CALL(SYS_write, 1, NULL, 0))                                                  \
    X(getpid_, CALL(SYS_getpid))                                                                \
    X(pipe_, CALL(SYS_pipe2, BAD, 0))                                                           \
    X(socketpair_, CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, BAD))                          \
    X(map, CALL(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) \
    X(map_exec,                                                                                 \
      CALL(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))       \
    X(protect_exec, CALL(SYS_mprotect, 0, 0, PROT_EXEC))                                        \
    X(kill_self, CALL(SYS_kill, getpid(), 0))                                                   \
    X(tgkill_self, CALL(SYS_tgkill, getpid(), getpid(), 0))                                     \
    X(kill_other, CALL(SYS_kill, 4194303, 0))                                                   \
    X(kill_group, CALL(SYS_kill, 0, 0))                                                         \
    X(tgkill_other, CALL(SYS_tgkill, 4194303, 4194303, 0))                                      \
    X(tkill_other, CALL(SYS_tkill, 4194303, 0))                                                 \
    X(queue_other, CALL(SYS_rt_sigqueueinfo, 4194303, 0, BAD))                                  \
    X(pidfd, CALL(SYS_pidfd_open, 4194303, 0))                                                  \
    X(limits_own, CALL(SYS_prlimit64, 0, RLIMIT_CORE, 0, 0))                                    \
    X(limits_set, CALL(SYS_prlimit64, 0, RLIMIT_CORE, BAD, 0))                                  \
    X(limits_other, CALL(SYS_prlimit64, 4194303, RLIMIT_CORE, 0, 0))                            \
    X(isatty_, CALL(SYS_ioctl, -1, TCGETS, 0))                                                  \
    X(tty_set, CALL(SYS_ioctl, -1, TCSETS, 0))                                                  \
    X(tty_type, CALL(SYS_ioctl, -1, TIOCSTI, 0))                                                \
    X(tty_type_high, CALL(SYS_ioctl, -1, TIOCSTI | (1L << 32), 0))                              \
    X(tty_linux, CALL(SYS_ioctl, -1, TIOCLINUX, 0))                                             \
    X(open_read, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_RDONLY))                                 \
    X(open_read_old, CALL(SYS_open, NOWHERE, O_RDONLY))                                         \
    X(open_write, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_WRONLY))                                \
    X(open_both, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_RDWR))                                   \
    X(open_path, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_PATH))                                   \
    X(open_path_write, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_PATH | O_WRONLY))                  \
    X(open_three, CALL(SYS_openat, AT_FDCWD, NOWHERE, 3))                                       \
    X(open_truncate, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_RDONLY | O_TRUNC))                   \
    X(open_how, CALL(SYS_openat2, AT_FDCWD, NOWHERE, BAD, 24))                                  \
    X(make_read, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_RDONLY | O_CREAT, 0600))                 \
    X(make_write, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_WRONLY | O_CREAT, 0600))                \
    X(make_both, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_RDWR | O_CREAT, 0600))                   \
    X(make_temporary, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_WRONLY | O_TMPFILE, 0600))          \
    X(make_suid, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_WRONLY | O_CREAT, 04755))                \
    X(make_sgid, CALL(SYS_openat, AT_FDCWD, NOWHERE, O_RDWR | O_CREAT, 02755))                  \
    X(creat_, CALL(SYS_creat, NOWHERE, 0600))                                                   \
    X(creat_suid, CALL(SYS_creat, NOWHERE, 04600))                                              \
    X(stat_, CALL(SYS_stat, NOWHERE, BAD))                                                      \
    X(statx_, CALL(SYS_statx, AT_FDCWD, NOWHERE, 0, 0, BAD))                                    \
    X(fstat_, CALL(SYS_newfstatat, -1, "", BAD, AT_EMPTY_PATH))                                 \
    X(readlink_, CALL(SYS_readlink, NOWHERE, BAD, 1))                                           \
    X(access_, CALL(SYS_access, NOWHERE, 0))                                                    \
    X(chdir_, CALL(SYS_chdir, NOWHERE))                                                         \
    X(getxattr_, CALL(SYS_getxattr, NOWHERE, "user.a", 0, 0))                                   \
    X(listxattr_, CALL(SYS_listxattr, NOWHERE, 0, 0))                                           \
    X(getxattrat_, CALL(464, AT_FDCWD, NOWHERE, 0, "user.a", BAD, 16))                          \
    X(setxattr_, CALL(SYS_setxattr, NOWHERE, "user.a", "a", 1, 0))                              \
    X(lsetxattr_, CALL(SYS_lsetxattr, NOWHERE, "user.a", "a", 1, 0))                            \
    X(fsetxattr_, CALL(SYS_fsetxattr, -1, "user.a", "a", 1, 0))                                 \
    X(setxattrat_, CALL(463, AT_FDCWD, NOWHERE, 0, "user.a", BAD, 16))                          \
    X(removexattr_, CALL(SYS_removexattr, NOWHERE, "user.a"))                                   \
    X(removexattrat_, CALL(466, AT_FDCWD, NOWHERE, 0, "user.a"))                                \
    X(truncate_, CALL(SYS_truncate, NOWHERE, 0))                                                \
    X(unlink_, CALL(SYS_unlink, NOWHERE))                                                       \
    X(rmdir_, CALL(SYS_rmdir, NOWHERE))                                                         \
    X(rename_, CALL(SYS_rename, NOWHERE, NOWHERE))                                              \
    X(rename_whiteout, CALL(SYS_renameat2, AT_FDCWD, NOWHERE, AT_FDCWD, NOWHERE, 4))            \
    X(link_, CALL(SYS_link, NOWHERE, NOWHERE))                                                  \
    X(symlink_, CALL(SYS_symlink, NOWHERE, NOWHERE))                                            \
    X(mkdir_, CALL(SYS_mkdir, NOWHERE, 0700))                                                   \
    X(mkdir_sgid, CALL(SYS_mkdir, NOWHERE, 02700))                                              \
    X(mkfifo_, CALL(SYS_mknod, NOWHERE, S_IFIFO | 0600))                                        \
    X(mkfifo_suid, CALL(SYS_mknodat, AT_FDCWD, NOWHERE, S_IFIFO | 04600))                       \
    X(chmod_, CALL(SYS_chmod, NOWHERE, 0755))                                                   \
    X(chmod_suid, CALL(SYS_chmod, NOWHERE, 04755))                                              \
    X(fchmod_sgid, CALL(SYS_fchmod, -1, 02755))                                                 \
    X(fchmodat_suid, CALL(SYS_fchmodat, AT_FDCWD, NOWHERE, 04755))                              \
    X(fchmodat2_, CALL(452, AT_FDCWD, NOWHERE, 0755, 0))                                        \
    X(fchmodat2_suid, CALL(452, AT_FDCWD, NOWHERE, 04755, 0))                                   \
    X(utimensat_, CALL(SYS_utimensat, AT_FDCWD, NOWHERE, 0, 0))                                 \
    X(chown_, CALL(SYS_chown, NOWHERE, 1, 1))                                                   \
    X(fchownat_, CALL(SYS_fchownat, AT_FDCWD, NOWHERE, 1, 1, 0))                                \
    X(flock_, CALL(SYS_flock, -1, 0))                                                           \
    X(fcntl_lock, CALL(SYS_fcntl, -1, F_SETLK, 0))                                              \
    X(fcntl_owner, CALL(SYS_fcntl, -1, F_SETOWN, 0))                                            \
    X(fcntl_lease, CALL(SYS_fcntl, -1, F_SETLEASE, 0))                                          \
    X(tcp4, CALL(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))                           \
    X(tcp6, CALL(SYS_socket, AF_INET6, SOCK_STREAM, IPPROTO_TCP))                               \
    X(udp4, CALL(SYS_socket, AF_INET, SOCK_DGRAM, 0))                                           \
    X(sctp, CALL(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP))                               \
    X(unix_, CALL(SYS_socket, AF_UNIX, SOCK_STREAM, 0))                                         \
    X(netlink, CALL(SYS_socket, AF_NETLINK, SOCK_RAW, 0))                                       \
    X(packet, CALL(SYS_socket, AF_PACKET, SOCK_RAW, 12345))                                     \
    X(vsock, CALL(SYS_socket, AF_VSOCK, SOCK_STREAM, 0))                                        \
    X(alg, CALL(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0))                                         \
    X(bind_, CALL(SYS_bind, -1, 0, 0))                                                          \
    X(connect_, CALL(SYS_connect, -1, 0, 0))                                                    \
    X(listen_, CALL(SYS_listen, -1, 0))                                                         \
    X(accept_, CALL(SYS_accept4, -1, 0, 0, 0))                                                  \
    X(send_, CALL(SYS_sendto, -1, 0, 0, 0, 0, 0))                                               \
    X(send_to, CALL(SYS_sendto, -1, 0, 0, 0, BAD, 16))                                          \
    X(sendmsg_, CALL(SYS_sendmsg, -1, BAD, 0))                                                  \
    X(sendmmsg_, CALL(SYS_sendmmsg, -1, BAD, 1, 0))                                             \
    X(recvmsg_, CALL(SYS_recvmsg, -1, BAD, 0))                                                  \
    X(recvmmsg_, CALL(SYS_recvmmsg, -1, BAD, 1, 0, 0))                                          \
    X(option_reuse, CALL(SYS_setsockopt, -1, SOL_SOCKET, SO_REUSEADDR, BAD, 4))                 \
    X(option_nodelay, CALL(SYS_setsockopt, -1, IPPROTO_TCP, TCP_NODELAY, BAD, 4))               \
    X(option_filter, CALL(SYS_setsockopt, -1, SOL_SOCKET, SO_ATTACH_FILTER, BAD, 16))           \
    X(option_join, CALL(SYS_setsockopt, -1, IPPROTO_IP, IP_ADD_MEMBERSHIP, BAD, 8))             \
    X(option_get, CALL(SYS_getsockopt, -1, SOL_SOCKET, SO_RCVBUF, BAD, BAD))                    \
    X(fork_, reaped(CALL(SYS_fork)))                                                            \
    X(clone_, forks(0))                                                                         \
    X(clone_user, forks(CLONE_NEWUSER))                                                         \
    X(clone_user_high, forks(CLONE_NEWUSER | (1L << 33)))                                       \
    X(clone_parent, forks(CLONE_PARENT | CLONE_SIGHAND))                                        \
    X(clone3_, CALL(435, BAD, 64))                                                              \
    X(unshare_, CALL(SYS_unshare, CLONE_FS))                                                    \
    X(setns_, CALL(SYS_setns, -1, 0))                                                           \
    X(getsid_, CALL(SYS_getsid, 0))                                                             \
    X(setpgid_, CALL(SYS_setpgid, 0, -1))                                                       \
    X(nice_, CALL(SYS_setpriority, PRIO_PROCESS, 4194303, 0))                                   \
    X(exec_, CALL(SYS_execve, NOWHERE, 0, 0))                                                   \
    X(execveat_, CALL(SYS_execveat, AT_FDCWD, NOWHERE, 0, 0, 0))                                \
    X(setuid_, CALL(SYS_setuid, -1))                                                            \
    X(setgroups_, CALL(SYS_setgroups, -1, BAD))                                                 \
    X(capset_, CALL(SYS_capset, BAD, BAD))                                                      \
    X(settime, CALL(SYS_settimeofday, BAD, 0))                                                  \
    X(landlock, CALL(SYS_landlock_create_ruleset, BAD, 8, 0))                                   \
    X(filter_, CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, BAD))                              \
    X(filter_listener, CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 8, BAD))                      \
    X(shmget_, CALL(SYS_shmget, 0, 0, 0))                                                       \
    X(shmat_exec, CALL(SYS_shmat, -1, 0, SHM_EXEC))                                             \
    X(mq_open_, CALL(SYS_mq_open, "nosuchqueue", O_RDONLY, 0, 0))                               \
    X(name_get, CALL(SYS_prctl, PR_GET_NAME, BAD))                                              \
    X(tracer, CALL(SYS_prctl, PR_SET_PTRACER, -1))                                              \
    X(memory_map, CALL(SYS_prctl, PR_SET_MM, -1, 0, 0, 0))                                      \
    X(personality_, CALL(SYS_personality, 0xffffffff))                                          \
    X(ptrace_, CALL(SYS_ptrace, 4242, 4194303, 0, 0))                                           \
    X(read_memory, CALL(SYS_process_vm_readv, 4194303, 0, 0, 0, 0, 0))                          \
    X(getfd, CALL(SYS_pidfd_getfd, -1, 0, 0))                                                   \
    X(kcmp_, CALL(SYS_kcmp, 4194303, 4194303, 0, 0, 0))                                         \
    X(keyctl_, CALL(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0))            \
    X(add_key_, CALL(SYS_add_key, BAD, BAD, 0, 0, 0))                                           \
    X(bpf_, CALL(SYS_bpf, -1, BAD, 0))                                                          \
    X(perf, CALL(SYS_perf_event_open, BAD, 0, 0, -1, 0))                                        \
    X(faults, CALL(SYS_userfaultfd, 1 | 64))                                                    \
    X(uring, CALL(SYS_io_uring_setup, 1, BAD))                                                  \
    X(uring_enter, CALL(SYS_io_uring_enter, -1, 0, 0, 0, 0, 0))                                 \
    X(handle, CALL(SYS_open_by_handle_at, -1, BAD, 0))                                          \
    X(mount_, CALL(SYS_mount, BAD, BAD, BAD, 0, 0))                                             \
    X(open_tree_, CALL(SYS_open_tree, -1, NOWHERE, 0))                                          \
    X(move_mount_, CALL(SYS_move_mount, -1, NOWHERE, -1, NOWHERE, -1))                          \
    X(fsopen_, CALL(SYS_fsopen, BAD, 0))                                                        \
    X(mount_setattr_, CALL(SYS_mount_setattr, -1, NOWHERE, 0, 0, 0))                            \
    X(newer, CALL(4095))                                                                        \
    X(unshare_user, CALL(SYS_unshare, CLONE_NEWUSER | CLONE_THREAD))                            \
    X(personality_exec, CALL(SYS_personality, 0x0400000))

PROBES(PROBE)

#define ENTRY(name, expression) {#name, name},
static const struct probe kProbes[] = {PROBES(ENTRY)};

static void say(const struct probe* probe) {
    errno = 0;
    const long result = probe->run();
    char line[128];
    const int length = snprintf(line, sizeof line, "%s %s\n", probe->name,
                                result >= 0 ? "ok" : strerrorname_np(errno));
    if (write(1, line, (size_t)length) != length) _exit(1);
}

/* getpid by the doors of two other architectures; not among the probes, since it may be the end. */
static int other_door(const char* name) {
#if defined(__x86_64__)
    long result = 20; /* of i386 */
    if (strcmp(name, "int80") == 0) {
        __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
        return result > 0 ? 0 : 1;
    }
    if (strcmp(name, "x32") == 0) return syscall(0x40000000 + 39) > 0 ? 0 : 1;
#endif
    return strcmp(name, "native") == 0 && syscall(SYS_getpid) > 0 ? 0 : 1;
}

int main(int argc, char** argv) {
    if (argc == 3 && strcmp(argv[1], "door") == 0) return other_door(argv[2]);
    for (size_t i = 0; i < sizeof kProbes / sizeof kProbes[0]; ++i) {
        int wanted = argc < 2;
        for (int word = 1; word < argc; ++word) {
            wanted = wanted || strcmp(argv[word], kProbes[i].name) == 0;
        }
        if (wanted) say(&kProbes[i]);
    }
    return 0;
}
