// The table of promises. Whoever adds a system call asks: can it be called so that it does what
// another promise is for? Then it needs a test of its arguments, or belongs elsewhere.
// Sources: pledge(2) of OpenBSD; the manual page of each call.
#include "promises.hpp"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

namespace pledge {
namespace {

constexpr std::uint64_t kInt = 0xffffffff;
constexpr std::uint64_t kLong = ~std::uint64_t{0};

constexpr Test is(int argument, std::uint64_t value) {
    return {static_cast<std::uint8_t>(argument), kInt, value & kInt};
}
constexpr Test bits(int argument, std::uint64_t mask, std::uint64_t value) {
    return {static_cast<std::uint8_t>(argument), mask, value};
}
constexpr Test clear(int argument, std::uint64_t mask) {
    return bits(argument, mask, 0);
}
constexpr Test null(int argument) {
    return bits(argument, kLong, 0);
}
constexpr Test own_pid(int argument) {
    return is(argument, kOwnPid);
}

constexpr Rule when(std::string_view call, std::string_view note, Test a) {
    return {call, {a}, 1, note};
}
constexpr Rule when(std::string_view call, std::string_view note, Test a, Test b) {
    return {call, {a, b}, 2, note};
}
constexpr Rule when(std::string_view call, std::string_view note, Test a, Test b, Test c) {
    return {call, {a, b, c}, 3, note};
}
constexpr Rule with(Promises also, Rule rule) {
    rule.also = also;
    return rule;
}
constexpr Rule without(Promises unless, Rule rule) {
    rule.unless = unless;
    return rule;
}

// ---- stdio ------------------------------------------------------------------------------------

// Flags of clone(2) that are not a program's to set, thread or process: the namespaces, a tracer
// or a parent that did not ask for the child, and the half that clone(2) ignores.
constexpr std::uint64_t kForeignClone = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                        CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
                                        CLONE_PTRACE | CLONE_PARENT | ~kInt;
constexpr std::uint64_t kThread = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;

constexpr Rule control(int command, std::string_view note) {
    return when("fcntl", note, is(1, static_cast<std::uint64_t>(command)));
}
constexpr Rule device(std::uint64_t request, std::string_view note) {
    return when("ioctl", note, is(1, request));
}
constexpr Rule process(std::uint64_t option, std::string_view note) {
    return when("prctl", note, is(0, option));
}
constexpr Rule arch(std::uint64_t option, std::string_view note) {
    return when("arch_prctl", note, is(0, option));
}

constexpr std::uint64_t kSetVma = 0x53564d41;  // PR_SET_VMA; linux/prctl.h since 5.17

constexpr Rule kStdioRules[] = {
    // descriptors that the program has
    {"read"},
    {"write"},
    {"readv"},
    {"writev"},
    {"pread64"},
    {"pwrite64"},
    {"preadv"},
    {"pwritev"},
    {"preadv2"},
    {"pwritev2"},
    {"sendfile"},
    {"splice"},
    {"tee"},
    {"vmsplice"},
    {"copy_file_range"},
    {"close"},
    {"close_range"},
    {"lseek"},
    {"dup"},
    {"dup2"},
    {"dup3"},
    {"fstat"},
    {"fstatfs"},
    {"getdents"},
    {"getdents64"},
    {"fsync"},
    {"fdatasync"},
    {"sync_file_range"},
    {"ftruncate"},
    {"fallocate"},
    {"fadvise64"},
    {"readahead"},
    {"fchdir"},
    {"umask"},
    {"pipe"},
    {"pipe2"},
    {"recvfrom"},
    {"shutdown"},
    when("sendto", "without an address", null(4)),
    when("socketpair", "AF_UNIX", is(0, AF_UNIX)),
    when("getsockopt", "SO_ERROR", is(1, SOL_SOCKET), is(2, SO_ERROR)),
    when("getsockopt", "SO_TYPE", is(1, SOL_SOCKET), is(2, SO_TYPE)),
    // glibc 2.33 to 2.38 makes fstat of it. The path should be empty, which no filter can see.
    when("newfstatat", "AT_EMPTY_PATH", bits(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),
    when("statx", "AT_EMPTY_PATH", bits(2, AT_EMPTY_PATH, AT_EMPTY_PATH)),
    control(F_DUPFD, "F_DUPFD"),
    control(F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"),
    control(F_GETFD, "F_GETFD"),
    control(F_SETFD, "F_SETFD"),
    control(F_GETFL, "F_GETFL"),
    control(F_SETFL, "F_SETFL"),
    control(F_GETPIPE_SZ, "F_GETPIPE_SZ"),
    control(F_SETPIPE_SZ, "F_SETPIPE_SZ"),
    control(F_ADD_SEALS, "F_ADD_SEALS"),
    control(F_GET_SEALS, "F_GET_SEALS"),
    device(FIONREAD, "FIONREAD"),
    device(FIONBIO, "FIONBIO"),
    device(FIOASYNC, "FIOASYNC"),
    device(FIOCLEX, "FIOCLEX"),
    device(FIONCLEX, "FIONCLEX"),
    device(TCGETS, "TCGETS: is it a terminal"),
    device(TCGETS2, "TCGETS2"),
    device(TIOCGWINSZ, "TIOCGWINSZ"),
    // waiting
    {"poll"},
    {"ppoll"},
    {"select"},
    {"pselect6"},
    {"epoll_create"},
    {"epoll_create1"},
    {"epoll_ctl"},
    {"epoll_wait"},
    {"epoll_pwait"},
    {"epoll_pwait2"},
    {"eventfd"},
    {"eventfd2"},
    {"signalfd"},
    {"signalfd4"},
    {"timerfd_create"},
    {"timerfd_settime"},
    {"timerfd_gettime"},
    {"pause"},
    {"wait4"},
    {"waitid"},
    // memory
    {"brk"},
    {"munmap"},
    {"mremap"},
    {"madvise"},
    {"msync"},
    {"mlock"},
    {"mlock2"},
    {"munlock"},
    {"mseal"},
    {"map_shadow_stack"},
    {"membarrier"},
    {"memfd_create"},
    when("mmap", "without PROT_EXEC", clear(2, PROT_EXEC)),
    when("mprotect", "without PROT_EXEC", clear(2, PROT_EXEC)),
    // threads
    when("clone", "a thread", bits(0, kForeignClone | kThread | CLONE_VFORK, kThread)),
    {"futex"},
    {"futex_waitv"},
    {"futex_wait"},
    {"futex_wake"},
    {"futex_requeue"},
    {"set_robust_list"},
    {"set_tid_address"},
    {"rseq"},
    {"sched_yield"},
    {"exit"},
    {"exit_group"},
    // time
    {"clock_gettime"},
    {"clock_getres"},
    {"clock_nanosleep"},
    {"nanosleep"},
    {"gettimeofday"},
    {"time"},
    {"times"},
    {"alarm"},
    {"getitimer"},
    {"setitimer"},
    {"timer_create"},
    {"timer_settime"},
    {"timer_gettime"},
    {"timer_getoverrun"},
    {"timer_delete"},
    // signals of its own
    {"rt_sigaction"},
    {"rt_sigprocmask"},
    {"rt_sigreturn"},
    {"rt_sigpending"},
    {"rt_sigsuspend"},
    {"rt_sigtimedwait"},
    {"sigaltstack"},
    {"restart_syscall"},
    // Without proc there is no fork, so that the pid the filter is made with stays the program's.
    when("kill", "itself", own_pid(0)),
    when("tkill", "its first thread", own_pid(0)),
    when("tgkill", "its own threads", own_pid(0)),
    when("rt_sigqueueinfo", "itself", own_pid(0)),
    when("rt_tgsigqueueinfo", "its own threads", own_pid(0)),
    // about itself and the machine
    {"getpid"},
    {"gettid"},
    {"getppid"},
    {"getpgrp"},
    {"getpgid"},
    {"getsid"},
    {"getuid"},
    {"geteuid"},
    {"getgid"},
    {"getegid"},
    {"getresuid"},
    {"getresgid"},
    {"getgroups"},
    {"getrlimit"},
    {"getrusage"},
    {"getpriority"},
    {"ioprio_get"},
    {"capget"},
    {"getcpu"},
    {"sched_getaffinity"},
    {"sched_getparam"},
    {"sched_getscheduler"},
    {"sched_getattr"},
    {"sched_get_priority_max"},
    {"sched_get_priority_min"},
    {"sched_rr_get_interval"},
    {"uname"},
    {"sysinfo"},
    {"getrandom"},
    when("sched_setaffinity", "its own thread", is(0, 0)),
    when("prlimit64", "reading its own", is(0, 0), null(2)),
    when("personality", "reading its own", is(0, kInt)),
    process(PR_SET_NAME, "PR_SET_NAME"),
    process(PR_GET_NAME, "PR_GET_NAME"),
    process(PR_SET_DUMPABLE, "PR_SET_DUMPABLE"),
    process(PR_GET_DUMPABLE, "PR_GET_DUMPABLE"),
    process(PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"),
    process(PR_GET_PDEATHSIG, "PR_GET_PDEATHSIG"),
    process(PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"),
    process(PR_GET_NO_NEW_PRIVS, "PR_GET_NO_NEW_PRIVS"),
    process(PR_GET_SECCOMP, "PR_GET_SECCOMP"),
    process(PR_CAPBSET_READ, "PR_CAPBSET_READ"),
    process(PR_GET_KEEPCAPS, "PR_GET_KEEPCAPS"),
    process(PR_GET_SECUREBITS, "PR_GET_SECUREBITS"),
    process(PR_SET_TIMERSLACK, "PR_SET_TIMERSLACK"),
    process(PR_GET_TIMERSLACK, "PR_GET_TIMERSLACK"),
    process(PR_SET_THP_DISABLE, "PR_SET_THP_DISABLE"),
    process(PR_GET_THP_DISABLE, "PR_GET_THP_DISABLE"),
    process(PR_GET_SPECULATION_CTRL, "PR_GET_SPECULATION_CTRL"),
    process(kSetVma, "PR_SET_VMA"),
    arch(0x1001, "ARCH_SET_GS"),
    arch(0x1002, "ARCH_SET_FS"),
    arch(0x1003, "ARCH_GET_FS"),
    arch(0x1004, "ARCH_GET_GS"),
    arch(0x1022, "ARCH_GET_XCOMP_PERM"),
    arch(0x1023, "ARCH_REQ_XCOMP_PERM"),
    arch(0x3001, "ARCH_CET_STATUS"),
    arch(0x5001, "ARCH_SHSTK_ENABLE"),
    arch(0x5002, "ARCH_SHSTK_DISABLE"),
    arch(0x5003, "ARCH_SHSTK_LOCK"),
    arch(0x5005, "ARCH_SHSTK_STATUS"),
};

// ---- files ------------------------------------------------------------------------------------

constexpr std::uint64_t kPrivilegedMode = S_ISUID | S_ISGID;
constexpr std::uint64_t kTemporary = O_TMPFILE & ~O_DIRECTORY;
constexpr std::uint64_t kMaking = O_CREAT | kTemporary;

/// open(2) and openat(2) of the same kind; `mode` adds that what is made gets no set-id bit.
constexpr Rule opening(std::string_view call, std::string_view note, std::uint64_t mask,
                       std::uint64_t value, bool mode = false) {
    const int flags = call == "open" ? 1 : 2;
    if (!mode) return when(call, note, bits(flags, mask, value));
    return when(call, note, bits(flags, mask, value), clear(flags + 1, kPrivilegedMode));
}

// O_RDONLY with O_TRUNC truncates (open(2)).
constexpr std::uint64_t kReading = O_ACCMODE | kMaking | O_TRUNC;
// An O_PATH descriptor is no writing, whatever else the flags say.
constexpr std::uint64_t kWriting = O_ACCMODE | kMaking | O_PATH;
constexpr std::uint64_t kMakingToRead = O_ACCMODE | kTemporary | O_TRUNC;
constexpr std::uint64_t kMakingToWrite = O_ACCMODE | O_PATH;

constexpr Rule kRpathRules[] = {
    opening("open", "O_RDONLY, nothing made", kReading, O_RDONLY),
    opening("openat", "O_RDONLY, nothing made", kReading, O_RDONLY),
    {"access"},
    {"faccessat"},
    {"faccessat2"},
    {"stat"},
    {"lstat"},
    {"newfstatat"},
    {"statx"},
    {"statfs"},
    {"readlink"},
    {"readlinkat"},
    {"chdir"},
    {"getcwd"},
    {"getxattr"},
    {"lgetxattr"},
    {"fgetxattr"},
    {"getxattrat"},
    {"listxattr"},
    {"llistxattr"},
    {"flistxattr"},
    {"listxattrat"},
    {"inotify_init"},
    {"inotify_init1"},
    {"inotify_add_watch"},
    {"inotify_rm_watch"},
};

constexpr Rule kWpathRules[] = {
    opening("open", "O_WRONLY, nothing made", kWriting, O_WRONLY),
    opening("openat", "O_WRONLY, nothing made", kWriting, O_WRONLY),
    with(kRpath, opening("open", "O_RDWR, nothing made", kWriting, O_RDWR)),
    with(kRpath, opening("openat", "O_RDWR, nothing made", kWriting, O_RDWR)),
    {"truncate"},
    {"syncfs"},
};

constexpr std::uint64_t kRenameWhiteout = 4;  // RENAME_WHITEOUT: makes a device node

constexpr Rule kCpathRules[] = {
    with(kRpath, opening("open", "O_CREAT, O_RDONLY; no set-id mode", kMakingToRead, 0, true)),
    with(kRpath, opening("openat", "O_CREAT, O_RDONLY; no set-id mode", kMakingToRead, 0, true)),
    with(kWpath,
         opening("open", "O_CREAT, O_WRONLY; no set-id mode", kMakingToWrite, O_WRONLY, true)),
    with(kWpath,
         opening("openat", "O_CREAT, O_WRONLY; no set-id mode", kMakingToWrite, O_WRONLY, true)),
    with(kRpath | kWpath,
         opening("open", "O_CREAT, O_RDWR; no set-id mode", kMakingToWrite, O_RDWR, true)),
    with(kRpath | kWpath,
         opening("openat", "O_CREAT, O_RDWR; no set-id mode", kMakingToWrite, O_RDWR, true)),
    with(kWpath, when("creat", "no set-id mode", clear(1, kPrivilegedMode))),
    when("mkdir", "no set-id mode", clear(1, kPrivilegedMode)),
    when("mkdirat", "no set-id mode", clear(2, kPrivilegedMode)),
    {"rmdir"},
    {"unlink"},
    {"unlinkat"},
    {"rename"},
    {"renameat"},
    when("renameat2", "without RENAME_WHITEOUT", clear(4, kRenameWhiteout)),
    {"link"},
    {"linkat"},
    {"symlink"},
    {"symlinkat"},
};

constexpr Rule node(std::string_view call, std::string_view note, std::uint64_t type) {
    return when(call, note, bits(call == "mknod" ? 1 : 2, S_IFMT | kPrivilegedMode, type));
}

constexpr Rule kDpathRules[] = {
    node("mknod", "a pipe; no set-id mode", S_IFIFO),
    node("mknodat", "a pipe; no set-id mode", S_IFIFO),
    node("mknod", "a device (with CAP_MKNOD)", S_IFCHR),
    node("mknodat", "a device (with CAP_MKNOD)", S_IFCHR),
    node("mknod", "a block device (with CAP_MKNOD)", S_IFBLK),
    node("mknodat", "a block device (with CAP_MKNOD)", S_IFBLK),
};

constexpr Rule kFattrRules[] = {
    when("chmod", "no set-id mode", clear(1, kPrivilegedMode)),
    when("fchmod", "no set-id mode", clear(1, kPrivilegedMode)),
    when("fchmodat", "no set-id mode", clear(2, kPrivilegedMode)),
    when("fchmodat2", "no set-id mode", clear(2, kPrivilegedMode)),
    {"utime"},
    {"utimes"},
    {"utimensat"},
    {"futimesat"},
    {"setxattr"},
    {"lsetxattr"},
    {"fsetxattr"},
    {"setxattrat"},
    {"removexattr"},
    {"lremovexattr"},
    {"fremovexattr"},
    {"removexattrat"},
};

constexpr Rule kChownRules[] = {{"chown"}, {"fchown"}, {"lchown"}, {"fchownat"}};

constexpr Rule kFlockRules[] = {
    {"flock"},
    control(F_GETLK, "F_GETLK"),
    control(F_SETLK, "F_SETLK"),
    control(F_SETLKW, "F_SETLKW"),
    control(F_OFD_GETLK, "F_OFD_GETLK"),
    control(F_OFD_SETLK, "F_OFD_SETLK"),
    control(F_OFD_SETLKW, "F_OFD_SETLKW"),
};

// ---- sockets ----------------------------------------------------------------------------------

constexpr std::uint64_t kSocketType = 0xf;  // SOCK_TYPE_MASK of linux/net.h

constexpr Rule socket(std::string_view note, int domain, int type, int protocol) {
    return when("socket", note, is(0, static_cast<std::uint64_t>(domain)),
                bits(1, kSocketType, static_cast<std::uint64_t>(type)),
                is(2, static_cast<std::uint64_t>(protocol)));
}
constexpr Rule option(std::string_view note, int level, int name) {
    return when("setsockopt", note, is(1, static_cast<std::uint64_t>(level)),
                is(2, static_cast<std::uint64_t>(name)));
}

constexpr Rule kStreamRules[] = {
    socket("AF_INET, TCP", AF_INET, SOCK_STREAM, 0),
    socket("AF_INET, TCP", AF_INET, SOCK_STREAM, IPPROTO_TCP),
    socket("AF_INET6, TCP", AF_INET6, SOCK_STREAM, 0),
    socket("AF_INET6, TCP", AF_INET6, SOCK_STREAM, IPPROTO_TCP),
    option("TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY),
    option("TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG),
    option("TCP_CORK", IPPROTO_TCP, TCP_CORK),
    option("TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE),
    option("TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL),
    option("TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT),
    option("TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT),
    option("TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2),
    option("TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT),
    option("TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP),
    option("TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK),
    option("TCP_CONGESTION", IPPROTO_TCP, TCP_CONGESTION),
    option("TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT),
    option("TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN),
    option("TCP_FASTOPEN_CONNECT", IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
    option("TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT),
};

constexpr Rule kDatagramRules[] = {
    socket("AF_INET, UDP", AF_INET, SOCK_DGRAM, 0),
    socket("AF_INET, UDP", AF_INET, SOCK_DGRAM, IPPROTO_UDP),
    socket("AF_INET6, UDP", AF_INET6, SOCK_DGRAM, 0),
    socket("AF_INET6, UDP", AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
    option("UDP_CORK", IPPROTO_UDP, UDP_CORK),
    option("UDP_SEGMENT", IPPROTO_UDP, UDP_SEGMENT),
    option("UDP_GRO", IPPROTO_UDP, UDP_GRO),
};

// Not among them: what hands the kernel a program (SO_ATTACH_*), a device or a mark.
constexpr Rule kInternetRules[] = {
    option("IP_TOS", IPPROTO_IP, IP_TOS),
    option("IP_TTL", IPPROTO_IP, IP_TTL),
    option("IP_PKTINFO", IPPROTO_IP, IP_PKTINFO),
    option("IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER),
    option("IP_RECVERR", IPPROTO_IP, IP_RECVERR),
    option("IP_RECVTTL", IPPROTO_IP, IP_RECVTTL),
    option("IP_RECVTOS", IPPROTO_IP, IP_RECVTOS),
    option("IP_FREEBIND", IPPROTO_IP, IP_FREEBIND),
    option("IP_BIND_ADDRESS_NO_PORT", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
    option("IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY),
    option("IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS),
    option("IPV6_MTU_DISCOVER", IPPROTO_IPV6, IPV6_MTU_DISCOVER),
    option("IPV6_RECVERR", IPPROTO_IPV6, IPV6_RECVERR),
    option("IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO),
    option("IPV6_RECVHOPLIMIT", IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
    option("IPV6_DONTFRAG", IPPROTO_IPV6, IPV6_DONTFRAG),
    option("IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS),
    option("IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS),
    option("IPV6_ADDR_PREFERENCES", IPPROTO_IPV6, IPV6_ADDR_PREFERENCES),
    // Over these sockets no descriptor can be sent (unix(7), SCM_RIGHTS); over a Unix socket it
    // could, and which of the two it is, no filter can see.
    without(kUnix, {"sendmsg"}),
    without(kUnix, {"sendmmsg"}),
    without(kUnix, {"recvmsg"}),
    without(kUnix, {"recvmmsg"}),
};

constexpr Rule kUnixRules[] = {
    socket("AF_UNIX", AF_UNIX, SOCK_STREAM, 0),
    socket("AF_UNIX", AF_UNIX, SOCK_DGRAM, 0),
    socket("AF_UNIX", AF_UNIX, SOCK_SEQPACKET, 0),
    option("SO_PASSCRED", SOL_SOCKET, SO_PASSCRED),
};

constexpr Rule kServerRules[] = {{"listen"}, {"accept"}, {"accept4"}};

constexpr Rule kSocketRules[] = {
    {"bind"},
    {"connect"},
    {"sendto"},
    {"getsockname"},
    {"getpeername"},
    {"getsockopt"},
    option("SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR),
    option("SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT),
    option("SO_BROADCAST", SOL_SOCKET, SO_BROADCAST),
    option("SO_SNDBUF", SOL_SOCKET, SO_SNDBUF),
    option("SO_RCVBUF", SOL_SOCKET, SO_RCVBUF),
    option("SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE),
    option("SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE),
    option("SO_PRIORITY", SOL_SOCKET, SO_PRIORITY),
    option("SO_LINGER", SOL_SOCKET, SO_LINGER),
    option("SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT),
    option("SO_SNDLOWAT", SOL_SOCKET, SO_SNDLOWAT),
    option("SO_RCVTIMEO", SOL_SOCKET, SO_RCVTIMEO),
    option("SO_SNDTIMEO", SOL_SOCKET, SO_SNDTIMEO),
    option("SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP),
    option("SO_TIMESTAMPNS", SOL_SOCKET, SO_TIMESTAMPNS),
    option("SO_RXQ_OVFL", SOL_SOCKET, SO_RXQ_OVFL),
    option("SO_PEEK_OFF", SOL_SOCKET, SO_PEEK_OFF),
    option("SO_BUSY_POLL", SOL_SOCKET, SO_BUSY_POLL),
    option("SO_INCOMING_CPU", SOL_SOCKET, SO_INCOMING_CPU),
    option("SO_ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY),
};

constexpr Rule kSendfdRules[] = {{"sendmsg"}, {"sendmmsg"}};
constexpr Rule kRecvfdRules[] = {{"recvmsg"}, {"recvmmsg"}};

constexpr Rule kMcastRules[] = {
    option("IP_MULTICAST_IF", IPPROTO_IP, IP_MULTICAST_IF),
    option("IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL),
    option("IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP),
    option("IP_MULTICAST_ALL", IPPROTO_IP, IP_MULTICAST_ALL),
    option("IP_ADD_MEMBERSHIP", IPPROTO_IP, IP_ADD_MEMBERSHIP),
    option("IP_DROP_MEMBERSHIP", IPPROTO_IP, IP_DROP_MEMBERSHIP),
    option("IP_ADD_SOURCE_MEMBERSHIP", IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP),
    option("IP_DROP_SOURCE_MEMBERSHIP", IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP),
    option("MCAST_JOIN_GROUP", IPPROTO_IP, MCAST_JOIN_GROUP),
    option("MCAST_LEAVE_GROUP", IPPROTO_IP, MCAST_LEAVE_GROUP),
    option("IPV6_MULTICAST_IF", IPPROTO_IPV6, IPV6_MULTICAST_IF),
    option("IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
    option("IPV6_MULTICAST_LOOP", IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
    option("IPV6_JOIN_GROUP", IPPROTO_IPV6, IPV6_JOIN_GROUP),
    option("IPV6_LEAVE_GROUP", IPPROTO_IPV6, IPV6_LEAVE_GROUP),
    option("MCAST_JOIN_GROUP", IPPROTO_IPV6, MCAST_JOIN_GROUP),
    option("MCAST_LEAVE_GROUP", IPPROTO_IPV6, MCAST_LEAVE_GROUP),
};

// ---- the rest ---------------------------------------------------------------------------------

// Never TIOCSTI and TIOCLINUX, which type for others; nor TIOCCONS and TIOCSETD.
constexpr Rule kTtyRules[] = {
    device(TCSETS, "TCSETS"),         device(TCSETSW, "TCSETSW"),
    device(TCSETSF, "TCSETSF"),       device(TCSETS2, "TCSETS2"),
    device(TCSETSW2, "TCSETSW2"),     device(TCSETSF2, "TCSETSF2"),
    device(TCSBRK, "TCSBRK"),         device(TCSBRKP, "TCSBRKP"),
    device(TCXONC, "TCXONC"),         device(TCFLSH, "TCFLSH"),
    device(TIOCSBRK, "TIOCSBRK"),     device(TIOCCBRK, "TIOCCBRK"),
    device(TIOCOUTQ, "TIOCOUTQ"),     device(TIOCSWINSZ, "TIOCSWINSZ"),
    device(TIOCSCTTY, "TIOCSCTTY"),   device(TIOCNOTTY, "TIOCNOTTY"),
    device(TIOCGPGRP, "TIOCGPGRP"),   device(TIOCSPGRP, "TIOCSPGRP"),
    device(TIOCGSID, "TIOCGSID"),     device(TIOCGPTN, "TIOCGPTN"),
    device(TIOCSPTLCK, "TIOCSPTLCK"), device(TIOCGPTPEER, "TIOCGPTPEER"),
};

constexpr Rule kOwnLimits = when("prlimit64", "its own", is(0, 0));

constexpr Rule kProcRules[] = {
    {"fork"},
    {"vfork"},
    when("clone", "a process; no namespace, tracer or other parent", clear(0, kForeignClone)),
    {"kill"},
    {"tkill"},
    {"tgkill"},
    {"rt_sigqueueinfo"},
    {"rt_tgsigqueueinfo"},
    {"pidfd_open"},
    {"pidfd_send_signal"},
    {"setpgid"},
    {"setsid"},
    {"setpriority"},
    {"ioprio_set"},
    {"sched_setaffinity"},
    {"sched_setparam"},
    {"sched_setscheduler"},
    {"sched_setattr"},
    {"setrlimit"},
    kOwnLimits,
    control(F_SETOWN, "F_SETOWN"),
    control(F_GETOWN, "F_GETOWN"),
    control(F_SETSIG, "F_SETSIG"),
    control(F_GETSIG, "F_GETSIG"),
    process(PR_SET_CHILD_SUBREAPER, "PR_SET_CHILD_SUBREAPER"),
    process(PR_GET_CHILD_SUBREAPER, "PR_GET_CHILD_SUBREAPER"),
};

constexpr Rule kExecRules[] = {{"execve"}, {"execveat"}};

constexpr Rule kProtExecRules[] = {
    {"mmap"}, {"mprotect"}, {"pkey_mprotect"}, {"pkey_alloc"}, {"pkey_free"}};

constexpr Rule kIdRules[] = {
    {"setuid"},
    {"setgid"},
    {"setreuid"},
    {"setregid"},
    {"setresuid"},
    {"setresgid"},
    {"setfsuid"},
    {"setfsgid"},
    {"setgroups"},
    {"capset"},
    {"setpriority"},
    {"setrlimit"},
    kOwnLimits,
    process(PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS"),
    process(PR_SET_SECUREBITS, "PR_SET_SECUREBITS"),
    process(PR_CAPBSET_DROP, "PR_CAPBSET_DROP"),
    process(PR_CAP_AMBIENT, "PR_CAP_AMBIENT"),
};

constexpr Rule kSettimeRules[] = {
    {"settimeofday"}, {"clock_settime"}, {"clock_adjtime"}, {"adjtimex"}};

// A listener would answer in the place of ours, and so let a program execute others (the warning
// at SECCOMP_USER_NOTIF_FLAG_CONTINUE in linux/seccomp.h).
constexpr Rule kAddFilter =
    when("seccomp", "a filter without a listener", is(0, SECCOMP_SET_MODE_FILTER),
         clear(1, SECCOMP_FILTER_FLAG_NEW_LISTENER));
constexpr Rule kSecondStage[] = {kAddFilter};

constexpr Rule kUnveilRules[] = {
    {"landlock_create_ruleset"},
    {"landlock_add_rule"},
    {"landlock_restrict_self"},
    kAddFilter,
    when("seccomp", "asking what there is", is(0, SECCOMP_GET_ACTION_AVAIL)),
    process(PR_SET_SECCOMP, "PR_SET_SECCOMP"),
};

constexpr Rule kSysvipcRules[] = {
    {"shmget"},       when("shmat", "without SHM_EXEC", clear(2, SHM_EXEC)),
    {"shmdt"},        {"shmctl"},
    {"semget"},       {"semop"},
    {"semtimedop"},   {"semctl"},
    {"msgget"},       {"msgsnd"},
    {"msgrcv"},       {"msgctl"},
    {"mq_open"},      {"mq_unlink"},
    {"mq_timedsend"}, {"mq_timedreceive"},
    {"mq_notify"},    {"mq_getsetattr"},
};

constexpr Group kGroups[] = {
    {kStdio, kStdioRules},
    {kRpath, kRpathRules},
    {kWpath, kWpathRules},
    {kCpath, kCpathRules},
    {kDpath, kDpathRules},
    {kFattr, kFattrRules},
    {kChown, kChownRules},
    {kFlock, kFlockRules},
    {kInet | kTcp | kDns, kStreamRules},
    {kInet | kDns, kDatagramRules},
    {kInet | kTcp | kDns, kInternetRules},
    {kUnix, kUnixRules},
    {kInet | kTcp | kUnix, kServerRules},
    {kInet | kTcp | kDns | kUnix, kSocketRules},
    {kMcast, kMcastRules},
    {kSendfd, kSendfdRules},
    {kRecvfd, kRecvfdRules},
    {kTty, kTtyRules},
    {kProc, kProcRules},
    {kExec, kExecRules},
    {kProtExec, kProtExecRules},
    {kId, kIdRules},
    {kSettime, kSettimeRules},
    {kUnveil, kUnveilRules},
    {kSysvipc, kSysvipcRules},
};

constexpr Name kNames[] = {
    {kStdio, "stdio",
     "computing, memory, threads, time, and the descriptors it has; always needed"},
    {kRpath, "rpath", "opening files to read, asking about them"},
    {kWpath, "wpath", "opening files to write; alone it cannot read"},
    {kCpath, "cpath", "making, renaming and removing files and directories"},
    {kDpath, "dpath", "making pipes and device nodes"},
    {kFattr, "fattr", "modes, times and extended attributes of files; no set-id bits"},
    {kChown, "chown", "owner and group of files"},
    {kFlock, "flock", "locks on files"},
    {kInet, "inet", "TCP and UDP sockets, IPv4 and IPv6"},
    {kTcp, "tcp", "TCP sockets alone (not OpenBSD's)"},
    {kMcast, "mcast", "joining multicast groups"},
    {kUnix, "unix", "Unix sockets"},
    {kDns, "dns", "TCP and UDP sockets as a client; rpath too, for /etc/resolv.conf"},
    {kSendfd, "sendfd", "sending descriptors"},
    {kRecvfd, "recvfd", "receiving descriptors"},
    {kTty, "tty", "settings of terminals; never typing into them"},
    {kProc, "proc", "making processes, signalling them; no namespaces"},
    {kExec, "exec", "executing programs; without it, the unit's own and never another"},
    {kProtExec, "prot_exec",
     "executable memory; what a dynamic program's loader needs, with rpath"},
    {kId, "id", "changing uids, gids, capabilities and limits"},
    {kSettime, "settime", "setting the clock"},
    {kUnveil, "unveil", "restricting itself further (Landlock, seccomp)"},
    {kSysvipc, "sysvipc", "System V shared memory, semaphores and queues, POSIX queues (ours)"},
};

// clone3: flags. openat2: access mode.
constexpr std::string_view kAbsent[] = {"clone3", "openat2"};

struct Recent {
    std::string_view call;
    int number;
};
// include/uapi/asm-generic/unistd.h; from 424 on the numbers are common to all architectures.
constexpr Recent kRecent[] = {
    {"fchmodat2", 452},     {"map_shadow_stack", 453}, {"futex_wake", 454},
    {"futex_wait", 455},    {"futex_requeue", 456},    {"mseal", 462},
    {"setxattrat", 463},    {"getxattrat", 464},       {"listxattrat", 465},
    {"removexattrat", 466},
};

struct Refused {
    std::string_view word;
    std::string_view why;
};
constexpr Refused kRefused[] = {
    {"audio",
     "Linux's sound devices have no request of their own that a filter could tell; leave "
     "pledge out, or give the device to a unit without it"},
    {"video",
     "Linux's video devices have too many requests to filter; leave pledge out for a "
     "unit that needs one"},
    {"drm",
     "Linux's graphics devices have too many requests to filter; leave pledge out for a "
     "unit that needs one"},
    {"bpf",
     "OpenBSD's is packet capture by ioctl; Linux's packet sockets and bpf(2) are never "
     "permitted under pledge"},
    {"pf", "Linux has no pf; firewall rules are the network plugin's to make"},
    {"vmm", "Linux's is KVM; give /dev/kvm to a unit without pledge"},
    {"tape", "there are no tape requests in a filter; leave pledge out for such a unit"},
    {"disklabel", "Linux has no disk labels; partitioning wants a unit without pledge"},
    {"route",
     "Linux asks for routes over netlink sockets, which reach much more; let the network "
     "plugin set what is needed"},
    {"wroute",
     "Linux sets routes over netlink sockets, which reach much more; let the network "
     "plugin set what is needed"},
    {"ps", "Linux tells of processes in /proc: promise rpath, and see jail.chroot.proc"},
    {"vminfo", "Linux tells of memory in /proc: promise rpath"},
    {"getpw",
     "Linux looks accounts up in files: promise rpath, and unveil /etc/passwd, /etc/group "
     "and /etc/nsswitch.conf"},
    {"tmppath", "a filter sees no paths: promise rpath wpath cpath; the jail's /tmp is its own"},
    {"error", "set on_violation = \"errno\", which is the default"},
};

}  // namespace

std::span<const Group> groups() {
    return kGroups;
}

std::span<const Name> names() {
    return kNames;
}

std::string words_of(Promises promises) {
    std::string text;
    for (const Name& name : names()) {
        if ((promises & name.promise) == 0) continue;
        text += (text.empty() ? "" : " ") + std::string(name.name);
    }
    return text;
}

std::span<const std::string_view> absent() {
    return kAbsent;
}

std::optional<int> recent_number(std::string_view call) {
    const auto* found = std::ranges::find(kRecent, call, &Recent::call);
    if (found == std::end(kRecent)) return std::nullopt;
    return found->number;
}

std::optional<std::string_view> why_not(std::string_view word) {
    const auto* found = std::ranges::find(kRefused, word, &Refused::word);
    if (found == std::end(kRefused)) return std::nullopt;
    return found->why;
}

std::span<const Rule> second_stage() {
    return kSecondStage;
}

std::vector<Rule> rules_for(Promises promises) {
    std::vector<Rule> rules;
    for (const Group& group : groups()) {
        if ((group.promises & promises) == 0) continue;
        for (const Rule& rule : group.rules) {
            const bool granted = (rule.also & ~promises) == 0 && (rule.unless & promises) == 0;
            if (granted) rules.push_back(rule);
        }
    }
    return rules;
}

}  // namespace pledge
