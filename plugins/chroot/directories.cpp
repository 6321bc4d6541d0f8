#include "directories.hpp"

#include "paths.hpp"

namespace jailsvc::chroot {

namespace {

using jsv::Planner;

struct DirectoryKind {
    const char* key;
    const char* what;         // to jsv_host.directory_root
    const char* environment;  // as systemd.exec(5) names it
    const char* image_root;   // where the service finds it in mode "directory"
    std::uint32_t flags;
};
constexpr DirectoryKind kDirectoryKinds[] = {
    {"cache_directory", "cache", "CACHE_DIRECTORY", "/var/cache", 0},
    {"logs_directory", "logs", "LOGS_DIRECTORY", "/var/log", 0},
    {"runtime_directory", "runtime", "RUNTIME_DIRECTORY", "/run", JSV_DIR_RECREATE},
    {"state_directory", "state", "STATE_DIRECTORY", "/var/lib", 0},
};

/// Makes the directories of one kind, names them in the environment, and returns their binds.
std::vector<Bind> add_kind(Planner& plan, const DirectoryKind& kind, Mode mode) {
    std::vector<Bind> binds;
    std::string value;
    const std::string host_root = plan.directory_root(kind.what);
    const bool kept = (kind.flags & JSV_DIR_RECREATE) == 0;
    const std::uint32_t mapping = kept ? id_mapping(plan) : 0;
    const std::string jail_root = mode == Mode::kDirectory ? kind.image_root : host_root;
    for (const auto& name : list_or(plan, kind.key)) {
        // A colon separates the paths of the variable.
        if (!jsv::is_plain(name) || name.find(':') != std::string::npos) {
            plan.fail(kind.key, "\"" + name +
                                    "\" is no name; write a relative path without "
                                    "\"..\" or \":\", such as \"" +
                                    plan.unit_name() + "\"");
        }
        const std::string host = host_root + "/" + name;
        plan.add({.kind = JSV_OP_HOST_DIRECTORY,
                  .key = kind.key,
                  .text = {host},
                  .number = {0700},
                  .flags = kind.flags});
        binds.push_back({kind.key, host, jail_root + "/" + name, kSafe | mapping});
        value += (value.empty() ? "" : ":") + binds.back().target;
    }
    if (!value.empty()) {
        plan.add({.kind = JSV_OP_ENVIRONMENT, .key = kind.key, .text = {kind.environment, value}});
    }
    return binds;
}

}  // namespace

std::uint32_t id_mapping(Planner& plan) {
    return plan.other_flag("namespaces", "user").value_or(false) ? JSV_MOUNT_IDMAP : 0u;
}

std::vector<Bind> add_directories(Planner& plan, Mode mode) {
    std::vector<Bind> binds;
    for (const auto& kind : kDirectoryKinds) {
        const auto more = add_kind(plan, kind, mode);
        binds.insert(binds.end(), more.begin(), more.end());
    }
    return binds;
}

}  // namespace jailsvc::chroot
