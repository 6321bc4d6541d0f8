/* The service of the benchmarks: says when its first instruction ran, just after the exec, and when
 * its main began (CLOCK_BOOTTIME [ns]); then it waits, or ends if it has an argument. Between the
 * two is the C library's own beginning, which no supervisor has a hand in. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct timespec entered;

/* Keeps what the kernel passes to _start: the stack, and the register of the exit function. */
#if defined(__x86_64__)
__asm__(
    ".globl stamp_entry\n"
    "stamp_entry:\n"
    "    mov %rdx, %r12\n"
    "    mov $228, %eax\n" /* clock_gettime */
    "    mov $7, %edi\n"   /* CLOCK_BOOTTIME */
    "    lea entered(%rip), %rsi\n"
    "    syscall\n"
    "    mov %r12, %rdx\n"
    "    jmp _start\n");
#elif defined(__aarch64__)
__asm__(
    ".globl stamp_entry\n"
    "stamp_entry:\n"
    "    mov x19, x0\n"
    "    mov x8, #113\n" /* clock_gettime */
    "    mov x0, #7\n"   /* CLOCK_BOOTTIME */
    "    adrp x1, entered\n"
    "    add x1, x1, :lo12:entered\n"
    "    svc #0\n"
    "    mov x0, x19\n"
    "    b _start\n");
#endif

static long long nanoseconds(struct timespec time) {
    return (long long)time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char** argv) {
    (void)argv;
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    printf("%lld %lld\n", nanoseconds(entered), nanoseconds(now));
    fflush(stdout);
    if (argc > 1) return 0;
    for (;;) pause();
}
