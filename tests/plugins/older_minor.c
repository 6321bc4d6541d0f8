// Was built with an older header: no hooks after plan, keys without fallback, doc and choices.
#include <jailsvc_plugin.h>

typedef struct old_key {
    uint32_t size;
    uint32_t type;
    const char* name;
} old_key;

typedef struct old_plugin {
    uint32_t size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t key_count;
    const char* name;
    const char* version;
    const char* doc;
    const old_key* keys;
    int (*plan)(const jsv_host* host);
} old_plugin;

static const old_key kOldKeys[] = {
    {.size = sizeof(old_key), .type = JSV_STRING, .name = "first"},
    {.size = sizeof(old_key), .type = JSV_BOOL, .name = "second"},
};

static int plan(const jsv_host* host) {
    const jsv_op op = {.size = sizeof op,
                       .kind = JSV_OP_ENVIRONMENT,
                       .stage = JSV_STAGE_PROCESS,
                       .text = {"OLDER", "yes"}};
    return host->add_op(host->ctx, &op);
}

// Behind the struct lies what must not be taken for its missing fields.
static const struct {
    old_plugin plugin;
    void* behind[8];
} kOlder = {
    .plugin = {.size = sizeof(old_plugin),
               .abi_major = JSV_ABI_MAJOR,
               .abi_minor = 0,
               .key_count = 2,
               .name = "older",
               .version = "0",
               .doc = "From before.",
               .keys = kOldKeys,
               .plan = plan},
    .behind = {(void*)1, (void*)1, (void*)1, (void*)1, (void*)1, (void*)1, (void*)1, (void*)1},
};

const jsv_plugin* jailsvc_plugin_entry(void) {
    return (const jsv_plugin*)&kOlder.plugin;
}
