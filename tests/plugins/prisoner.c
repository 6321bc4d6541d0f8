// Tries to get out of the worker's sandbox and tells what worked.
#include "prisoner_attempts.h"
#include "test_plugin.h"

static int plan(const jsv_host* host) {
    const struct attempt* attempt = kAttempts;
    for (; attempt->name != NULL; ++attempt) {
        const int code = attempt->run();
        tell(host, attempt->name, code == 0 ? "worked" : "refused");
    }
    return 0;
}

TEST_PLUGIN("prisoner", plan);
