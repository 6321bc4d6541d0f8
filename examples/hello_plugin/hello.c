// hello: puts a greeting into the jail, as the file /run/hello.
//   [jail.hello]
//   text = "good morning"   # without it, there is no file
// Runs wholly in the [plan] phase; keeps no state. Needs a private /run, which chroot's mode "host"
// gives.

#include <errno.h>
#include <jailsvc_plugin.h>
#include <stdio.h>

#define MAX_GREETING 1000

static const jsv_key kKeys[] = {
    {.size = sizeof(jsv_key), .type = JSV_STRING, .name = "text", .doc = "What /run/hello says."},
};

static int plan(const jsv_host* host) {
    const char* text = NULL;
    const int found = host->get_string(host->ctx, "text", &text);
    if (found == -ENOENT) return 0;
    if (found != 0) return found;

    char line[MAX_GREETING + 2];
    const int length = snprintf(line, sizeof line, "%s\n", text);
    if (length < 0 || (size_t)length >= sizeof line) {
        return host->fail(host->ctx, "text", "is longer than 1000 bytes; shorten it");
    }
    const jsv_op file = {
        .size = sizeof file,
        .kind = JSV_OP_FILE,
        .stage = JSV_STAGE_MOUNTS,
        .text = {"/run/hello", line},
        .key = "text",
    };
    return host->add_op(host->ctx, &file);  // copies all of it
}

static const jsv_plugin kPlugin = {
    .size = sizeof(jsv_plugin),
    .abi_major = JSV_ABI_MAJOR,
    .abi_minor = JSV_ABI_MINOR,
    .key_count = sizeof kKeys / sizeof kKeys[0],
    .name = "hello",
    .version = "1.0",
    .doc = "A greeting for the service.",
    .keys = kKeys,
    .plan = plan,
};

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
