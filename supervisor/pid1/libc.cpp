// All of the C library that the keeper and the end have: system calls under their usual names, and
// what the compiler itself calls. What is not here cannot be used: no heap, no stdio, no threads,
// no locale, no code that runs before main. Instead of 0.7 MB of static glibc, of which PID 1 would
// hold most in memory, a few kilobytes. Declared by glibc's headers, whose types are the kernel's
// own wherever they are used here (64-bit Linux).

#include <elf.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/raw_call.hpp"

/// main(), which C++ code may not call by its name.
extern "C" int program(int argc, char** argv) __asm__("main");

namespace {

constexpr std::size_t kSignalSetSize = 8;  ///< the kernel's sigset_t [bytes]
int error_code;                            ///< errno of the only thread

template <typename T>
long word(T value) noexcept {
    if constexpr (std::is_pointer_v<T>) {
        return static_cast<long>(reinterpret_cast<std::uintptr_t>(value));
    } else if constexpr (std::is_null_pointer_v<T>) {
        return 0;
    } else {
        return static_cast<long>(value);
    }
}

/// As the functions of the C library answer: -1 and errno.
template <typename... Words>
long call(long number, Words... words) noexcept {
    long all[6] = {};
    std::size_t count = 0;
    ((all[count++] = word(words)), ...);
    const long result = jailsvc::raw::call6(number, all[0], all[1], all[2], all[3], all[4], all[5]);
    constexpr long kHighestErrno = 4095;
    if (result >= 0 || result < -kHighestErrno) return result;
    error_code = static_cast<int>(-result);
    return -1;
}
template <typename... Words>
int call_int(long number, Words... words) noexcept {
    return static_cast<int>(call(number, words...));
}

}  // namespace

extern "C" {

// --- of the compiler

char** environ;
std::uintptr_t __stack_chk_guard;  ///< -mstack-protector-guard=global

[[noreturn]] void __stack_chk_fail() {
    constexpr char kText[] = "jailsvc-init: stack overrun; ended\n";
    call(SYS_write, STDERR_FILENO, kText, sizeof kText - 1);
    for (;;) call(SYS_kill, call(SYS_getpid), SIGKILL), call(SYS_exit_group, 127);
}

int* __errno_location() noexcept {
    return &error_code;
}

void* memcpy(void* __restrict to, const void* __restrict from, std::size_t size) noexcept {
    auto* out = static_cast<char*>(to);
    const auto* in = static_cast<const char*>(from);
    while (size-- > 0) *out++ = *in++;
    return to;
}

void* memmove(void* to, const void* from, std::size_t size) noexcept {
    auto* out = static_cast<char*>(to);
    const auto* in = static_cast<const char*>(from);
    if (out <= in) return memcpy(to, from, size);
    while (size-- > 0) out[size] = in[size];
    return to;
}

void* memset(void* to, int byte, std::size_t size) noexcept {
    auto* out = static_cast<char*>(to);
    while (size-- > 0) *out++ = static_cast<char>(byte);
    return to;
}

int memcmp(const void* a, const void* b, std::size_t size) noexcept {
    const auto* left = static_cast<const unsigned char*>(a);
    const auto* right = static_cast<const unsigned char*>(b);
    for (; size > 0; --size, ++left, ++right) {
        if (*left != *right) return *left - *right;
    }
    return 0;
}

std::size_t strnlen(const char* text, std::size_t most) noexcept {
    std::size_t length = 0;
    while (length < most && text[length] != '\0') ++length;
    return length;
}

std::size_t strlen(const char* text) noexcept {
    return strnlen(text, ~std::size_t{0});
}

int strcmp(const char* a, const char* b) noexcept {
    for (; *a != '\0' && *a == *b; ++a, ++b) {
    }
    return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}

// --- processes

pid_t getpid() noexcept {
    return call_int(SYS_getpid);
}
/// Without shared memory: what the child does to its own is its own affair.
pid_t _Fork() noexcept {
    return call_int(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
}
pid_t setsid() noexcept {
    return call_int(SYS_setsid);
}
int execve(const char* path, char* const argv[], char* const env[]) noexcept {
    return call_int(SYS_execve, path, argv, env);
}
int execveat(int dir, const char* path, char* const argv[], char* const env[], int flags) noexcept {
    return call_int(SYS_execveat, dir, path, argv, env, flags);
}
[[noreturn]] void _exit(int status) {
    for (;;) call(SYS_exit_group, status);
}
int kill(pid_t pid, int signo) noexcept {
    return call_int(SYS_kill, pid, signo);
}
pid_t wait4(pid_t pid, int* status, int options, rusage* usage) noexcept {
    return call_int(SYS_wait4, pid, status, options, usage);
}
int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
    return call_int(SYS_waitid, type, id, info, options, nullptr);
}
int prctl(int option, ...) noexcept {
    std::va_list arguments;
    va_start(arguments, option);
    const auto argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    return call_int(SYS_prctl, option, argument, 0, 0, 0);
}
int prlimit(pid_t pid, __rlimit_resource resource, const rlimit* wanted, rlimit* old) noexcept {
    return call_int(SYS_prlimit64, pid, resource, wanted, old);
}
/// Of system calls without a function: pidfd_open(2), pidfd_send_signal(2).
long syscall(long number, ...) noexcept {
    std::va_list arguments;
    va_start(arguments, number);
    long words[4];
    for (long& each : words) each = va_arg(arguments, long);
    va_end(arguments);
    return call(number, words[0], words[1], words[2], words[3]);
}

// --- signals and time

int sigemptyset(sigset_t* set) noexcept {
    memset(set, 0, sizeof *set);
    return 0;
}
int sigfillset(sigset_t* set) noexcept {
    memset(set, 0xff, sizeof *set);
    return 0;
}
int sigaddset(sigset_t* set, int signo) noexcept {
    set->__val[0] |= 1UL << (signo - 1);
    return 0;
}
int sigprocmask(int how, const sigset_t* set, sigset_t* old) noexcept {
    return call_int(SYS_rt_sigprocmask, how, set, old, kSignalSetSize);
}
int sigtimedwait(const sigset_t* set, siginfo_t* info, const timespec* most) {
    return call_int(SYS_rt_sigtimedwait, set, info, most, kSignalSetSize);
}
int signalfd(int fd, const sigset_t* set, int flags) noexcept {
    return call_int(SYS_signalfd4, fd, set, kSignalSetSize, flags);
}
int clock_gettime(clockid_t clock, timespec* now) noexcept {
    return call_int(SYS_clock_gettime, clock, now);
}
/// The kernel writes the time left into `most`, which is the caller's constant: a copy.
int ppoll(pollfd* sources, nfds_t count, const timespec* most, const sigset_t* mask) {
    timespec left = most != nullptr ? *most : timespec{};
    timespec* const limit = most != nullptr ? &left : nullptr;
    return call_int(SYS_ppoll, sources, count, limit, mask, kSignalSetSize);
}

// --- descriptors and files

int close(int fd) {
    return call_int(SYS_close, fd);
}
int close_range(unsigned first, unsigned last, int flags) noexcept {
    return call_int(SYS_close_range, first, last, flags);
}
int dup2(int from, int to) noexcept {
    return call_int(SYS_dup3, from, to, 0);
}
int fcntl(int fd, int command, ...) {
    std::va_list arguments;
    va_start(arguments, command);
    const long argument = va_arg(arguments, long);
    va_end(arguments);
    return call_int(SYS_fcntl, fd, command, argument);
}
int fstat(int fd, struct stat* info) noexcept {
    return call_int(SYS_fstat, fd, info);
}
int open(const char* path, int flags, ...) {
    return call_int(SYS_openat, AT_FDCWD, path, flags, 0);
}
ssize_t read(int fd, void* buffer, std::size_t size) {
    return call(SYS_read, fd, buffer, size);
}
ssize_t write(int fd, const void* bytes, std::size_t size) {
    return call(SYS_write, fd, bytes, size);
}
ssize_t readlink(const char* __restrict path, char* __restrict text, std::size_t size) noexcept {
    return call(SYS_readlinkat, AT_FDCWD, path, text, size);
}
int unlinkat(int dir, const char* path, int flags) noexcept {
    return call_int(SYS_unlinkat, dir, path, flags);
}
int socketpair(int domain, int type, int protocol, int ends[2]) noexcept {
    return call_int(SYS_socketpair, domain, type, protocol, ends);
}
ssize_t recvmsg(int socket, msghdr* message, int flags) {
    return call(SYS_recvmsg, socket, message, flags);
}
ssize_t sendmsg(int socket, const msghdr* message, int flags) {
    return call(SYS_sendmsg, socket, message, flags);
}

/// Of CMSG_NXTHDR, which glibc's header defines as inline too: hence the other name here.
cmsghdr* next_header(msghdr* message, cmsghdr* header) noexcept __asm__("__cmsg_nxthdr");
cmsghdr* next_header(msghdr* message, cmsghdr* header) noexcept {
    const auto* const end = static_cast<char*>(message->msg_control) + message->msg_controllen;
    if (header->cmsg_len < sizeof(cmsghdr)) return nullptr;
    char* const next = reinterpret_cast<char*>(header) + CMSG_ALIGN(header->cmsg_len);
    return next + sizeof(cmsghdr) <= end ? reinterpret_cast<cmsghdr*>(next) : nullptr;
}

// --- the machine

int mount(const char* source, const char* target, const char* type, unsigned long flags,
          const void* data) noexcept {
    return call_int(SYS_mount, source, target, type, flags, data);
}
int umount2(const char* target, int flags) noexcept {
    return call_int(SYS_umount2, target, flags);
}
int swapoff(const char* path) noexcept {
    return call_int(SYS_swapoff, path);
}
void sync() noexcept {
    call(SYS_sync);
}
int reboot(int command) noexcept {
    return call_int(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, nullptr);
}

/// From _start with the stack as execve(2) left it: argc, argv, 0, environment, 0, the auxiliary
/// vector. It sets up the canary, so it cannot have one.
[[noreturn, gnu::used, gnu::no_stack_protector]] void start_on(long* stack) {
    const int argc = static_cast<int>(stack[0]);
    auto** argv = reinterpret_cast<char**>(stack + 1);
    environ = argv + argc + 1;
    char** end = environ;
    while (*end != nullptr) ++end;
    for (auto* each = reinterpret_cast<Elf64_auxv_t*>(end + 1); each->a_type != AT_NULL; ++each) {
        if (each->a_type != AT_RANDOM) continue;
        memcpy(&__stack_chk_guard, reinterpret_cast<const void*>(each->a_un.a_val),
               sizeof __stack_chk_guard);
    }
    _exit(program(argc, argv));
}

#if defined(__x86_64__)
__asm__(
    ".globl _start\n"
    "_start:\n"
    "    xor %ebp, %ebp\n"
    "    mov %rsp, %rdi\n"
    "    and $-16, %rsp\n"
    "    call start_on\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n"
    "_start:\n"
    "    mov x29, #0\n"
    "    mov x0, sp\n"
    "    bl start_on\n");
#endif

}  // extern "C"
