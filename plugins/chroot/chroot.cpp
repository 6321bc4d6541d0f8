// chroot: what a service sees of the file system, and where it may write.
//
//   [jail.chroot]
//   mode = "host"                   # the host's tree, read-only (default); "directory"; "none"
//   root = "/srv/images/web"        # for mode "directory"
//   read_only = true                # of mode "directory"; default
//   binds = ["/srv/site:/var/www"]  # host path, and where the service sees it; "-/x": if it exists
//   binds_ro = ["/etc/ssl/web"]
//   tmpfs = ["/scratch:size=64M,mode=0755"]
//   masked = ["/etc/machine-id"]    # shown empty
//   hide = ["/home", "/root"]       # mode "host": shown empty where they exist; default; []: none
//   devices = ["/dev/fuse"]         # besides the harmless ones
//   proc = "invisible"              # others' processes: "invisible" (default), "none", "all"
//   tmp = true                      # own /tmp and /var/tmp; default
//   state_directory = ["web"]       # /var/lib/web, writable, kept; also cache_, logs_ and
//   runtime_directory = ["web"]     # runtime_directory (/run/web, new at each start)
//
// A /run of the service's own, holding /run/host/jailsvc, tells it that it is jailed, by what unit
// and profile. Sources: mount(2), mount_setattr(2), proc(5), tmpfs(5), systemd.exec(5) for the
// names and meanings of keys, systemd.io/CONTAINER_INTERFACE for /run/host. Runs wholly in the
// [plan] phase; keeps no state.
#include <jailsvc_plugin.hpp>
#include <optional>
#include <string>

#include "directories.hpp"
#include "doctor.hpp"
#include "paths.hpp"
#include "tree.hpp"

namespace jailsvc::chroot {

namespace {

using jsv::key;
using jsv::Planner;

constexpr const char* kDefaultMode = "host";

constexpr jsv_key kKeys[] = {
    key(JSV_STRING, "mode", "\"host\"",
        "Root of the jail: the host's tree read-only, a directory, or no change.",
        "host|directory|none"),
    key(JSV_STRING, "root", nullptr, "Directory that becomes /, for mode \"directory\"."),
    key(JSV_BOOL, "read_only", "true", "Whether the root of mode \"directory\" is read-only."),
    key(JSV_STRING_LIST, "binds", nullptr, "Host paths to write to: \"SRC\" or \"SRC:DST\"."),
    key(JSV_STRING_LIST, "binds_ro", nullptr, "Host paths to read: \"SRC\" or \"SRC:DST\"."),
    key(JSV_STRING_LIST, "tmpfs", nullptr, "Empty writable trees: \"/path:size=64M,mode=0755\"."),
    key(JSV_STRING_LIST, "masked", nullptr, "Paths shown empty; \"-/path\": if it exists."),
    key(JSV_STRING_LIST, "hide", "[\"/home\", \"/root\"]",
        "Paths of the host shown empty where they exist, in mode \"host\"."),
    key(JSV_STRING_LIST, "devices", nullptr, "Devices besides null, zero, full, random, tty."),
    key(JSV_STRING, "proc", "\"invisible\"",
        "Other users' processes in /proc: invisible, listed but closed, or all open.",
        "invisible|none|all"),
    key(JSV_BOOL, "tmp", "true", "Own /tmp and /var/tmp, gone when the service ends."),
    key(JSV_STRING_LIST, "state_directory", nullptr, "Kept directories, below %S (/var/lib)."),
    key(JSV_STRING_LIST, "cache_directory", nullptr, "Kept directories, below /var/cache."),
    key(JSV_STRING_LIST, "logs_directory", nullptr, "Kept directories, below /var/log."),
    key(JSV_STRING_LIST, "runtime_directory", nullptr,
        "Directories below /run, new at each start."),
};

std::optional<Mode> read_mode(Planner& plan) {
    const std::string mode = plan.text("mode").value_or(kDefaultMode);
    if (mode == "host") return Mode::kHost;
    if (mode == "directory") return Mode::kDirectory;
    if (mode == "none") return Mode::kNone;
    plan.fail("mode", "unknown mode \"" + mode + "\"; use \"host\", \"directory\" or \"none\"");
    return std::nullopt;
}

/// A key that the mode cannot honour is refused: passing over it would be a wall not built.
void refuse_keys_of_other_modes(Planner& plan, Mode mode) {
    if (mode != Mode::kDirectory && plan.text("root")) {
        plan.fail("root", "needs mode = \"directory\"");
    }
    if (mode == Mode::kDirectory && !list_or(plan, "hide").empty()) {
        plan.fail("hide", "is for mode = \"host\"; use masked");
    }
    if (mode == Mode::kHost && !plan.flag("read_only").value_or(true)) {
        plan.fail("read_only", "the host's tree is never writable; name what is in binds");
    }
    if (mode != Mode::kNone) return;
    for (const char* name : {"binds", "binds_ro", "tmpfs", "masked", "devices"}) {
        if (list_or(plan, name).empty()) continue;
        plan.fail(name, "has no effect with mode = \"none\"; use mode \"host\" or \"directory\"");
    }
}

int plan(const jsv_host* host) {
    Planner planner(host);
    const auto mode = read_mode(planner);
    if (!mode) return planner.result();
    refuse_keys_of_other_modes(planner, *mode);
    if (*mode == Mode::kNone) {
        (void)add_directories(planner, *mode);
        return planner.result();
    }
    if (!planner.other_flag("namespaces", "mount").value_or(false)) {
        planner.fail("mode",
                     "needs a mount table of the service's own; add mount = true to "
                     "[jail.namespaces], or say mode = \"none\" if you mean it");
    }
    add_tree(planner, *mode);
    return planner.result();
}

constexpr jsv_plugin kPlugin =
    jsv::plugin(kKeys, {.name = "chroot",
                        .version = "1.0",
                        .doc = "What the service sees of the file system, and where it may write.",
                        .plan = plan,
                        .doctor = doctor});

}  // namespace
}  // namespace jailsvc::chroot

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &jailsvc::chroot::kPlugin;
}
