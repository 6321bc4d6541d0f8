/* Preloaded into programs with [jail.pledge] stage = "main": stands in for __libc_start_main, so
 * that right before main, with all libraries loaded and initialised, the stricter filter is
 * installed that the jailer sends over the gate. What the loader needed is denied from then on.
 *
 * For any C library: no code of one is linked in, system calls are made here, and of the symbols
 * that it has to offer (dlsym, environ, the real __libc_start_main) glibc and musl have all. Where
 * anything is not as it should be, the program ends before main: it must not run with the weaker
 * filter. */
#include <stddef.h>
#include <sys/syscall.h>

#include <linux/seccomp.h>

#include "jailer/child/main_stage.h"

typedef int main_function(int, char**, char**);
typedef int start_function(main_function*, int, char**, void (*)(void), void (*)(void),
                           void (*)(void), void*);

extern void* dlsym(void*, const char*);
extern char** environ __attribute__((weak));

#define NEXT_OBJECT ((void*)-1l) /* RTLD_NEXT, of both libraries */
#define NOT_EXECUTED 127
#define NO_SIGNAL 0x4000 /* MSG_NOSIGNAL */
#define INTERRUPTED (-4) /* EINTR */
#define WRONG_MESSAGE 74 /* EBADMSG */

static main_function* program_main;

#if defined(__x86_64__)
static long call(long number, long a, long b, long c, long d) {
    long result;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = 0;
    register long sixth __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c, long d) {
    register long eighth __asm__("x8") = number;
    register long first __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    register long fifth __asm__("x4") = 0;
    register long sixth __asm__("x5") = 0;
    __asm__ volatile("svc 0"
                     : "+r"(first)
                     : "r"(eighth), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "memory");
    return first;
}
#endif

static _Noreturn void end(void) {
    for (;;) call(SYS_exit_group, NOT_EXECUTED, 0, 0, 0);
}

static void report(long gate, uint32_t kind, long code) {
    const struct main_stage_report packet = {kind, MAIN_STAGE_STEP, (int32_t)code, 0};
    call(SYS_sendto, gate, (long)&packet, sizeof packet, NO_SIGNAL);
}

static _Noreturn void fail(long gate, long code) {
    report(gate, MAIN_STAGE_FAILED, -code);
    end();
}

static long receive(long gate, void* buffer, unsigned long size) {
    long count;
    do {
        count = call(SYS_read, gate, (long)buffer, (long)size, 0);
    } while (count == INTERRUPTED);
    return count;
}

/* Value of NAME=VALUE if `entry` is that variable, else NULL. */
static char* value_of(char* entry, const char* name) {
    while (*name != '\0' && *entry == *name) {
        ++entry;
        ++name;
    }
    return *name == '\0' && *entry == '=' ? entry + 1 : NULL;
}

static void remove_from(char** environment, const char* name) {
    char** kept = environment;
    for (; environment != NULL && *environment != NULL; ++environment) {
        if (value_of(*environment, name) == NULL) *kept++ = *environment;
    }
    if (kept != NULL) *kept = NULL;
}

/* -1: none */
static long gate_of(char** environment) {
    for (; *environment != NULL; ++environment) {
        const char* digits = value_of(*environment, MAIN_STAGE_VARIABLE);
        long gate = 0;
        if (digits == NULL || *digits == '\0') continue;
        for (; *digits >= '0' && *digits <= '9' && gate < 1 << 20; ++digits) {
            gate = gate * 10 + (*digits - '0');
        }
        return *digits == '\0' ? gate : -1;
    }
    return -1;
}

static void install(long gate) {
    struct {
        struct main_stage_filter head;
        struct sock_filter filter[BPF_MAXINSNS];
    } packet;
    const long size = receive(gate, &packet, sizeof packet);
    if (size < (long)sizeof packet.head || packet.head.count == 0 ||
        packet.head.count > BPF_MAXINSNS ||
        (unsigned long)size != sizeof packet.head + packet.head.count * sizeof packet.filter[0]) {
        fail(gate, -WRONG_MESSAGE);
    }
    const uint32_t pid = (uint32_t)call(SYS_getpid, 0, 0, 0, 0);
    for (uint32_t i = 0; i < packet.head.count && packet.head.placeholder != 0; ++i) {
        struct sock_filter* one = &packet.filter[i];
        if (BPF_CLASS(one->code) == BPF_JMP && one->k == packet.head.placeholder) one->k = pid;
    }
    const struct sock_fprog program = {(unsigned short)packet.head.count, packet.filter};
    /* For threads too, that a library may have begun. */
    const long code = call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
                           (long)&program, 0);
    if (code != 0) fail(gate, code < 0 ? code : -WRONG_MESSAGE);
}

static int staged_main(int count, char** arguments, char** environment) {
    const long gate = gate_of(environment);
    char go = 0;
    if (gate < 0) end();
    install(gate);
    report(gate, MAIN_STAGE_REACHED, 0);
    if (receive(gate, &go, 1) != 1) end();
    call(SYS_close, gate, 0, 0, 0);
    /* Initialisers may have made another array of it. */
    char** const arrays[] = {environment, &environ != NULL ? environ : NULL};
    for (int i = 0; i < 2; ++i) {
        remove_from(arrays[i], "LD_PRELOAD");
        remove_from(arrays[i], MAIN_STAGE_VARIABLE);
    }
    return program_main(count, arguments, environment);
}

__attribute__((visibility("default"))) int __libc_start_main(
    main_function* main, int count, char** arguments, void (*before)(void), void (*after)(void),
    void (*loader)(void), void* stack) {
    start_function* real;
    *(void**)&real = dlsym(NEXT_OBJECT, "__libc_start_main");
    if (real == NULL) end();
    program_main = main;
    return real(staged_main, count, arguments, before, after, loader, stack);
}
