/* The service of the benchmarks: says when its main began (CLOCK_BOOTTIME [ns]) and waits. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    printf("%lld\n", (long long)now.tv_sec * 1000000000LL + now.tv_nsec);
    fflush(stdout);
    for (;;) pause();
}
