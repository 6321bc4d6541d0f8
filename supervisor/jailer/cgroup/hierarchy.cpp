#include "jailer/cgroup/hierarchy.hpp"

#include <algorithm>
#include <optional>

#include "jailer/jail/mount_table.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

/// "4:memory:/a/b" (cgroups(7)): the number says nothing to us. An empty list is version 2's.
struct Membership {
    std::vector<std::string> controllers;
    std::string path;
};

std::vector<std::string> split(std::string_view list, char separator) {
    std::vector<std::string> words;
    while (!list.empty()) {
        const std::size_t end = list.find(separator);
        words.emplace_back(list.substr(0, end));
        list = end == std::string_view::npos ? std::string_view{} : list.substr(end + 1);
    }
    return words;
}

std::optional<Membership> parse_membership(std::string_view line) {
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    return Membership{split(line.substr(first + 1, second - first - 1), ','),
                      std::string(line.substr(second + 1))};
}

bool is_named(const Membership& membership) {
    return std::ranges::any_of(membership.controllers,
                               [](const auto& name) { return name.starts_with("name="); });
}

bool is_mount_of(const MountEntry& mount, const Membership& membership) {
    if (membership.controllers.empty()) return mount.type == "cgroup2";
    return mount.type == "cgroup" &&
           std::ranges::all_of(membership.controllers, [&](const auto& name) {
               return MountEntry::has_option(mount.super_options, name);
           });
}

/// Where the group is below the mount: a mount may show a part of its hierarchy only.
std::optional<std::string> directory_in(const MountEntry& mount, const std::string& path) {
    const std::string root = mount.root == "/" ? "" : mount.root;
    if (!path.starts_with(root)) return std::nullopt;
    const std::string rest = path.substr(root.size());
    if (!rest.empty() && rest.front() != '/') return std::nullopt;
    return rest.empty() || rest == "/" ? mount.point : mount.point + rest;
}

/// The last mount on a place is the one that is seen there.
bool is_covered(const std::vector<MountEntry>& mounts, std::size_t index) {
    return std::any_of(mounts.begin() + static_cast<std::ptrdiff_t>(index) + 1, mounts.end(),
                       [&](const MountEntry& later) { return later.point == mounts[index].point; });
}

std::optional<Hierarchy> locate(const std::vector<MountEntry>& mounts, Membership membership) {
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        if (!is_mount_of(mounts[i], membership) || is_covered(mounts, i)) continue;
        auto directory = directory_in(mounts[i], membership.path);
        if (!directory) continue;
        const Version version = membership.controllers.empty() ? Version::kV2 : Version::kV1;
        return Hierarchy{version, std::move(membership.controllers), std::move(*directory),
                         std::move(membership.path)};
    }
    return std::nullopt;
}

}  // namespace

Result<std::vector<Hierarchy>> find_hierarchies(std::string_view mountinfo, std::string_view own) {
    TRY(const MountTable table, MountTable::parse(mountinfo));
    std::vector<Hierarchy> found;
    for (const std::string& line : split(own, '\n')) {
        auto membership = parse_membership(line);
        if (!membership) return fail("/proc/self/cgroup: cannot read \"" + line + "\"");
        // "/../x": our group lies outside of our cgroup namespace (cgroup_namespaces(7)).
        if (is_named(*membership) || membership->path.starts_with("/..")) continue;
        if (auto located = locate(table.entries(), std::move(*membership))) {
            found.push_back(std::move(*located));
        }
    }
    return found;
}

std::string path_in(std::string_view text, const Hierarchy& hierarchy) {
    for (const std::string& line : split(text, '\n')) {
        auto membership = parse_membership(line);
        if (membership && membership->controllers == hierarchy.controllers) {
            return std::move(membership->path);
        }
    }
    return {};
}

}  // namespace jailsvc::jailer::cgroup
