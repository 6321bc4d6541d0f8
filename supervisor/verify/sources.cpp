#include "verify/sources.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/trust.hpp"
#include "config/nearest.hpp"

namespace jailsvc::verify {
namespace {

bool is_missing(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == -1 && (errno == ENOENT || errno == ENOTDIR);
}

/// Whether it is, or is below, a directory that a start makes.
bool is_made(const jailer::Plan& plan, const std::string& path) {
    return std::ranges::any_of(plan.ops, [&](const jailer::Op& op) {
        return op.kind == JSV_OP_HOST_DIRECTORY && (path + "/").starts_with(op.text[0] + "/");
    });
}

/// What an operation takes from the host, and the key that names it.
struct Source {
    std::string table, key, path;
    const char* cure;
};

Source credential(const jailer::Op& op) {
    switch (op.number[0]) {
        case JSV_CREDENTIAL_ENCRYPTED:
            return {"credentials", "encrypted." + op.text[0], op.text[1],
                    "make it with jailsvc creds encrypt"};
        case JSV_CREDENTIAL_COMMAND:
            return {"credentials", "command." + op.text[0],
                    op.text[1].substr(0, op.text[1].find(' ')), "install it"};
        default:
            return {"credentials", "file." + op.text[0], op.text[1],
                    "make it, readable for root alone"};
    }
}

/// An empty path where it takes nothing that has to be there.
Source source_of(const jailer::Op& op) {
    if (op.optional) return {};
    switch (static_cast<unsigned>(op.kind)) {
        case JSV_OP_BIND:
            if (op.plugin != "chroot" || (op.flags & JSV_MOUNT_OPTIONAL) != 0) return {};
            return {"jail.chroot", (op.flags & JSV_MOUNT_READ_ONLY) != 0 ? "binds_ro" : "binds",
                    op.text[0], "make it, or write \"-\" before it if it may be missing"};
        case JSV_OP_DEVICE:
            return {"jail.chroot", "devices", op.text[0], "load its driver, or take it out"};
        case JSV_OP_CREDENTIAL:
            return credential(op);
        default:
            return {};
    }
}

}  // namespace

config::Diagnostics find_missing_sources(const Known& known, const jailer::Plan& plan) {
    config::Diagnostics found;
    for (const jailer::Op& op : plan.ops) {
        const Source source = source_of(op);
        if (source.path.empty() || !is_missing(source.path) || is_made(plan, source.path)) continue;
        found.push_back(
            at_key(known, source.table, source.key,
                   fmt::format("{} is not there; {}", config::shown(source.path), source.cure)));
    }
    return found;
}

std::vector<NamedUnit> find_network_units(const Known& known, const jailer::Plan& plan) {
    std::vector<NamedUnit> found;
    for (const jailer::Op& op : plan.ops) {
        const bool joins = op.kind == JSV_OP_NETWORK_JOIN;
        if (!joins && op.kind != JSV_OP_NET_EDGE) continue;
        found.push_back(
            {op.text[0], at_key(known, "jail.network", joins ? "join" : "edges", "names ")});
    }
    return found;
}

std::string objection_to(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 ? trust_objection(info, path) : std::string();
}

config::Diagnostics find_untrusted_environment(const Known& known) {
    config::Diagnostics found;
    for (const std::string& path : known.unit.environment->file) {
        const std::string why = objection_to(path);
        if (why.empty()) continue;
        found.push_back(at_key(known, "environment", "file",
                               fmt::format("{} is {}", config::shown(path), why)));
    }
    return found;
}

}  // namespace jailsvc::verify
