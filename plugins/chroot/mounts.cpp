#include "mounts.hpp"

#include <algorithm>
#include <utility>

#include "paths.hpp"

namespace jailsvc::chroot {

namespace {

using jsv::Planner;

/// Where a bind may not go: these are mounts of our own that the jail's walls rest upon.
void check_target(Planner& plan, const char* name, const std::string& target) {
    if (target == "/" || target == "/dev" || is_within(target, "/proc") || target == "/run" ||
        is_within(target, "/run/host")) {
        plan.fail(name, "\"" + target + "\" is the jail's own; choose another place");
    }
}

Bind parse_bind(Planner& plan, const char* name, std::string text, std::uint32_t flags) {
    if (text.starts_with('-')) {
        flags |= JSV_MOUNT_OPTIONAL;
        text.erase(0, 1);
    }
    const auto colon = text.find(':');
    std::string source = absolute_path(plan, name, text.substr(0, colon));
    std::string target = source;
    if (colon != std::string::npos) target = absolute_path(plan, name, text.substr(colon + 1));
    check_target(plan, name, target);
    return {name, std::move(source), std::move(target), flags};
}

/// One "size=64M" or "mode=0755" of a tmpfs.
void parse_tmpfs_option(Planner& plan, std::string_view option, Tmpfs& tmpfs) {
    const auto value = option.substr(std::min(option.find('=') + 1, option.size()));
    if (option.starts_with("size=")) {
        if (const auto bytes = jsv::parse_bytes(value); bytes && *bytes > 0) {
            tmpfs.bytes = *bytes;
            return;
        }
    } else if (option.starts_with("mode=")) {
        if (const auto mode = jsv::parse_mode(value); mode && *mode <= 01777) {
            tmpfs.mode = *mode;
            return;
        }
    }
    plan.fail("tmpfs", "\"" + std::string(option) + "\" is no option; write size=64M or mode=0755");
}

Tmpfs parse_tmpfs(Planner& plan, const std::string& text) {
    const auto colon = text.find(':');
    Tmpfs tmpfs{.path = absolute_path(plan, "tmpfs", text.substr(0, colon))};
    check_target(plan, "tmpfs", tmpfs.path);
    if (colon == std::string::npos) return tmpfs;
    std::string_view options = std::string_view(text).substr(colon + 1);
    while (true) {
        const auto comma = options.find(',');
        parse_tmpfs_option(plan, options.substr(0, comma), tmpfs);
        if (comma == std::string_view::npos) return tmpfs;
        options.remove_prefix(comma + 1);
    }
}

}  // namespace

std::vector<Bind> read_binds(Planner& plan) {
    std::vector<Bind> binds;
    for (const auto& text : list_or(plan, "binds")) {
        binds.push_back(parse_bind(plan, "binds", text, kSafe));
    }
    for (const auto& text : list_or(plan, "binds_ro")) {
        binds.push_back(parse_bind(plan, "binds_ro", text, kSafe | JSV_MOUNT_READ_ONLY));
    }
    return binds;
}

std::vector<Tmpfs> read_tmpfs(Planner& plan) {
    std::vector<Tmpfs> all;
    for (const auto& text : list_or(plan, "tmpfs")) all.push_back(parse_tmpfs(plan, text));
    if (!plan.flag("tmp").value_or(true)) return all;
    for (const char* path : {"/tmp", "/var/tmp"}) {
        if (std::ranges::find(all, path, &Tmpfs::path) == all.end()) {
            all.push_back({path, kTmpBytes, 01777});
        }
    }
    std::ranges::sort(all, {}, &Tmpfs::path);  // outer ones first
    return all;
}

}  // namespace jailsvc::chroot
