// Ends the worker in the middle of its plan, as if all were well.
#include <unistd.h>

#include "test_plugin.h"

static int plan(const jsv_host* host) {
    tell(host, "LEAVER", "here");
    _exit(0);
}

TEST_PLUGIN("leaver", plan);
