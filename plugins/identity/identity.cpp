// identity: who a service is, and what it may do as such.
//
//   [jail.identity]
//   user = "www-data"                   # name or decimal number; root only as "root" or "0"
//   group = "www-data"                  # default: the user's own
//   dynamic_user = true                 # instead of user: a uid nobody else has
//   supplementary_groups = ["ssl-cert"]
//   capabilities = ["net_bind_service"] # bounding set; default none; "all"
//   ambient_capabilities = ["net_bind_service"]  # kept by a user who is not root
//   no_new_privileges = true            # default
//   umask = "0022"                      # default
//   [jail.identity.limits]
//   nofile = "1024:4096"                # soft:hard, or one number for both, or "infinity"
//   core = "0"                          # default
//
// Sources: credentials(7), capabilities(7), setrlimit(2), getgrouplist(3). Runs wholly in the
// [plan] phase; keeps no state. Names are looked up there, so the child never asks a name service.

#include <jailsvc_plugin.hpp>
#include <string>

#include "capabilities.hpp"
#include "doctor.hpp"
#include "limits.hpp"
#include "users.hpp"

namespace jailsvc::identity {

namespace {

using jsv::key;
using jsv::Planner;

constexpr jsv_key kKeys[] = {
    key(JSV_STRING, "user", nullptr, "User name or decimal uid; root only as \"root\" or \"0\"."),
    key(JSV_STRING, "group", nullptr, "Group name or decimal gid; default: the user's own."),
    key(JSV_BOOL, "dynamic_user", "false",
        "A uid and gid of the unit's own, allocated at start; its jail's /etc/passwd names it."),
    key(JSV_STRING_LIST, "supplementary_groups", nullptr, "Groups besides those of the user."),
    key(JSV_STRING_LIST, "capabilities", nullptr, "Bounding set, or [\"all\"]; default: none."),
    key(JSV_STRING_LIST, "ambient_capabilities", nullptr,
        "Capabilities a user other than root keeps; each also in capabilities."),
    key(JSV_BOOL, "no_new_privileges", "true", "No program gains rights by being executed."),
    key(JSV_STRING, "umask", "\"0022\"", "File mode creation mask, octal."),
    key(JSV_STRING_MAP, "limits", "{ core = \"0\" }",
        "Resource limits: NAME = \"SOFT:HARD\", one value for both, or \"infinity\"."),
};

void add_umask(Planner& plan) {
    const std::string text = plan.text("umask").value_or("0022");
    const auto mask = jsv::parse_mode(text);
    if (!mask || *mask > 0777) {
        return plan.fail("umask", "\"" + text +
                                      "\" is no mask; write three or four octal digits, "
                                      "such as \"0027\"");
    }
    plan.add({.kind = JSV_OP_UMASK, .key = "umask", .number = {*mask}});
}

int plan(const jsv_host* host) {
    Planner planner(host);
    bool is_root = false;
    if (planner.flag("dynamic_user").value_or(false)) {
        add_dynamic_user(planner);
    } else {
        is_root = add_fixed_user(planner) == 0;
    }
    add_capabilities(planner, is_root);
    add_limits(planner);
    add_umask(planner);
    if (planner.flag("no_new_privileges").value_or(true)) {
        planner.add({.kind = JSV_OP_NO_NEW_PRIVS, .key = "no_new_privileges"});
    }
    return planner.result();
}

constexpr jsv_plugin kPlugin =
    jsv::plugin(kKeys, {.name = "identity",
                        .version = "1.0",
                        .doc = "Who the service is, and what it may do as such.",
                        .plan = plan,
                        .doctor = doctor});

}  // namespace
}  // namespace jailsvc::identity

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &jailsvc::identity::kPlugin;
}
