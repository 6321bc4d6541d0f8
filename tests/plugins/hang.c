// Never returns from plan: waits, or spins if flag = true.
#include <unistd.h>

#include "test_plugin.h"

static int plan(const jsv_host* host) {
    int spins = 0;
    host->get_bool(host->ctx, "flag", &spins);
    for (volatile int hung = 1; hung != 0;) {
        if (spins == 0) sleep(60);
    }
    return tell(host, "HANG", "over");
}

TEST_PLUGIN("hang", plan);
