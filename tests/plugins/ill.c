/* Crashes when it is asked how it is. */
#include <errno.h>
#include <jailsvc_plugin.h>
#include <signal.h>

static int plan(const jsv_host* host) {
    (void)host;
    return 0;
}

static int doctor(size_t i, jsv_probe* probe) {
    (void)probe;
    if (i != 0) return -ENOENT;
    raise(SIGSEGV);
    return 0;
}

static const jsv_plugin kIll = {
    .size = sizeof(jsv_plugin),
    .abi_major = JSV_ABI_MAJOR,
    .abi_minor = JSV_ABI_MINOR,
    .name = "ill",
    .version = "1",
    .doc = "For tests.",
    .plan = plan,
    .doctor = doctor,
};

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kIll;
}
