// Writes to address 0 while it plans, for units whose [jail.crash] says flag = true.
#include "test_plugin.h"

static int plan(const jsv_host* host) {
    int flag = 0;
    if (host->get_bool(host->ctx, "flag", &flag) != 0 || flag == 0)
        return tell(host, "CRASH", "no");
    *(volatile int*)(uintptr_t)flag = 0;
    return 0;
}

TEST_PLUGIN("crash", plan);
