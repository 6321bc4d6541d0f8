// Was built for an interface with another major version.
#include "test_plugin.h"

static const jsv_plugin kNewer = {.size = sizeof(jsv_plugin), .abi_major = JSV_ABI_MAJOR + 1};

const jsv_plugin* jailsvc_plugin_entry(void) {
    (void)kKeys;
    (void)tell;
    return &kNewer;
}
