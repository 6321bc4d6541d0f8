// Returns a struct whose pointers lead nowhere.
#include <jailsvc_plugin.h>

static const jsv_plugin kGarbage = {
    .size = sizeof(jsv_plugin),
    .abi_major = JSV_ABI_MAJOR,
    .key_count = 3,
    .name = (const char*)0x10,
    .keys = (const jsv_key*)0x18,
};

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kGarbage;
}
