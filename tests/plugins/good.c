// Does everything right: reads a key of each type and tells what it read.
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "test_plugin.h"

static void tell_number(const jsv_host* host, const char* name, uint64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    tell(host, name, text);
}

static void tell_numbers(const jsv_host* host) {
    int flag = 0;
    int64_t number = 0;
    uint64_t value = 0;
    if (host->get_bool(host->ctx, "flag", &flag) == 0) tell_number(host, "FLAG", (uint64_t)flag);
    if (host->get_integer(host->ctx, "number", &number) == 0) {
        tell_number(host, "NUMBER", (uint64_t)number);
    }
    if (host->get_bytes(host->ctx, "bytes", &value) == 0) tell_number(host, "BYTES", value);
    if (host->get_duration(host->ctx, "time", &value) == 0) tell_number(host, "TIME", value);
    // Misuse: a key of another type, and one that the schema does not have.
    tell_number(host, "MISUSE", (uint64_t)-host->get_bool(host->ctx, "text", &flag));
    tell_number(host, "NO_KEY", (uint64_t)-host->get_bool(host->ctx, "nothing", &flag));
}

static int plan(const jsv_host* host) {
    const char* text = NULL;
    const char* name = NULL;
    const int found = host->get_string(host->ctx, "text", &text);
    if (found == 0 && text[0] == '!')
        return host->fail(host->ctx, "text", "must not begin with '!'");
    if (found == 0) tell(host, "TEXT", text);
    for (size_t i = 0; host->get_element(host->ctx, "list", i, &text) == 0; ++i) {
        tell(host, "LAST", text);
    }
    for (size_t i = 0; host->get_entry(host->ctx, "map", i, &name, &text) == 0; ++i) {
        tell(host, name, text);
    }
    if (host->get_other_string(host->ctx, "other", "user", &text) == 0) tell(host, "OTHER", text);
    if (host->directory_root(host->ctx, "state", &text) == 0) tell(host, "STATE", text);
    // Names of users are found in local files, sandbox or not.
    const struct passwd* user = getpwnam("daemon");
    tell(host, "DAEMON", user != NULL ? "found" : "missing");
    tell_numbers(host);
    tell_number(host, "HAS_LIST", (uint64_t)host->has_key(host->ctx, "list"));
    tell_number(host, "HAS_NOTHING", (uint64_t)-host->has_key(host->ctx, "nothing"));
    tell(host, "PROFILE", host->profile_name(host->ctx));
    return tell(host, "UNIT", host->unit_name(host->ctx));
}

TEST_PLUGIN("good", plan);
