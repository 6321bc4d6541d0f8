/* What the plugins of the plugin host's tests share: the one exported struct. Each does one thing
 * wrong (or right), which its first line says. */
#ifndef TEST_PLUGIN_H
#define TEST_PLUGIN_H

#include <errno.h>
#include <jailsvc_plugin.h>

#define TEST_PLUGIN(NAME, PLAN)                      \
    static const jsv_plugin kPlugin = {              \
        .size = sizeof(jsv_plugin),                  \
        .abi_major = JSV_ABI_MAJOR,                  \
        .abi_minor = JSV_ABI_MINOR,                  \
        .key_count = sizeof kKeys / sizeof kKeys[0], \
        .name = NAME,                                \
        .version = "1",                              \
        .doc = "For tests.",                         \
        .keys = kKeys,                               \
        .plan = PLAN,                                \
    };                                               \
    const jsv_plugin* jailsvc_plugin_entry(void) {   \
        return &kPlugin;                             \
    }                                                \
    _Static_assert(sizeof(kPlugin) > 0, "needs a semicolon after the macro")

static const jsv_key kKeys[] = {
    {.size = sizeof(jsv_key), .type = JSV_STRING, .name = "text", .doc = "Any text."},
    {.size = sizeof(jsv_key), .type = JSV_STRING_LIST, .name = "list", .doc = "Any texts."},
    {.size = sizeof(jsv_key), .type = JSV_STRING_MAP, .name = "map", .doc = "Any names."},
    {.size = sizeof(jsv_key), .type = JSV_BOOL, .name = "flag", .doc = "Yes or no."},
    {.size = sizeof(jsv_key), .type = JSV_INTEGER, .name = "number", .doc = "Any number."},
    {.size = sizeof(jsv_key), .type = JSV_BYTES, .name = "bytes", .doc = "Any size."},
    {.size = sizeof(jsv_key), .type = JSV_DURATION, .name = "time", .doc = "Any duration."},
};

/* Tells the test something: NAME=VALUE in the unit's environment. */
static inline int tell(const jsv_host* host, const char* name, const char* value) {
    const jsv_op op = {.size = sizeof op,
                       .kind = JSV_OP_ENVIRONMENT,
                       .stage = JSV_STAGE_PROCESS,
                       .text = {name, value},
                       .key = "text"};
    return host->add_op(host->ctx, &op);
}

#endif
