#ifndef JAILSVC_UNVEIL_PERMISSIONS_HPP
#define JAILSVC_UNVEIL_PERMISSIONS_HPP

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <jailsvc_plugin.hpp>

/// Paths of [jail.unveil] and what may be done with them.
namespace unveil {

/// "rwxc" in any order, each at most once.
class Permissions {
public:
    [[nodiscard]] static std::optional<Permissions> parse(std::string_view text);

    [[nodiscard]] bool empty() const { return bits_ == 0; }
    [[nodiscard]] bool has(char permission) const;
    /// What this has and `other` lacks.
    [[nodiscard]] Permissions minus(Permissions other) const;
    [[nodiscard]] Permissions plus(Permissions other) const;
    [[nodiscard]] std::string text() const;
    /// LANDLOCK_ACCESS_FS_* of every kernel; the core leaves out what the running one lacks.
    [[nodiscard]] std::uint64_t landlock_rights() const;

private:
    unsigned bits_ = 0;
};

struct Entry {
    std::string name;  ///< as the unit has it, for errors
    std::string path;  ///< absolute, plain, without a trailing slash
    Permissions permissions;
    bool if_present = false;  ///< passed over where it does not exist
};

/// Whether `path` is `folder` or lies in it.
[[nodiscard]] bool is_within(std::string_view path, std::string_view folder);

/// The unit's paths, outer ones first. Refuses the unit for what is no path or no permission.
[[nodiscard]] std::vector<Entry> read_entries(jsv::Planner& plan);

/// Refuses what would not hold. Landlock adds up what rules allow on the way from the root, so that
/// a path which may less than one above it needs a mount of its own (`view`), which can be
/// read-only and closed to execution, and no more.
void check_nesting(jsv::Planner& plan, std::span<const Entry> entries, bool view);

}  // namespace unveil

#endif  // JAILSVC_UNVEIL_PERMISSIONS_HPP
