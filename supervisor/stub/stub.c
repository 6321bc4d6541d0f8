/* The jail's init: reaps what is orphaned in the jail's pid namespace and otherwise sleeps. Its end
 * (the jailer kills it) ends every process of the jail, as pid_namespaces(7) says.
 *
 * Freestanding and without memory of its own, since one lives for every jail. Started by the jailer
 * through execveat of a held descriptor, after all of the jail's mounts are made, with no
 * descriptor but the gate (3) and no capability. */
#include <asm/unistd.h>
#include <linux/prctl.h>
#include <linux/wait.h>

#define SIGCHLD 17
#define SIG_SETMASK 2
#define ECHILD 10
#define GATE 3

/* Non-volatile-register contract of the x86-64 system call: rcx and r11 are lost. */
#if defined(__x86_64__)
static long call4(long number, long a, long b, long c, long d) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static long call4(long number, long a, long b, long c, long d) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
#else
#error "jailsvc-stub: no system call convention for this machine"
#endif

__attribute__((noreturn, used)) void _start(void) {
    unsigned long child_only = 1UL << (SIGCHLD - 1);
    char go = 0;

    /* Nobody in the jail may read or trace this process, whatever their uid (ptrace(2)). */
    if (call4(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0) != 0) call4(__NR_exit_group, 1, 0, 0, 0);
    /* Blocked, so that an exit between the wait and the sleep stays pending and ends the sleep. */
    if (call4(__NR_rt_sigprocmask, SIG_SETMASK, (long)&child_only, 0, sizeof child_only) != 0) {
        call4(__NR_exit_group, 1, 0, 0, 0);
    }
    /* "Ready": only now the jailer lets the first service in. */
    if (call4(__NR_write, GATE, (long)&go, 1, 0) != 1) call4(__NR_exit_group, 1, 0, 0, 0);
    call4(__NR_close, GATE, 0, 0, 0);

    for (;;) {
        while (call4(__NR_wait4, -1, 0, WNOHANG | __WALL, 0) > 0) {
        }
        call4(__NR_rt_sigtimedwait, (long)&child_only, 0, 0, sizeof child_only);
    }
}
