// Adds an operation with a relative path, and does not look at the answer.
#include "test_plugin.h"

static int plan(const jsv_host* host) {
    const jsv_op op = {.size = sizeof op,
                       .kind = JSV_OP_CHDIR,
                       .stage = JSV_STAGE_PROCESS,
                       .text = {"../etc", NULL}};
    host->add_op(host->ctx, &op);
    return tell(host, "WENT", "on");
}

TEST_PLUGIN("wrong", plan);
