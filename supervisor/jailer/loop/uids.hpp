#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/flat_map.hpp"
#include "base/result.hpp"

namespace jailsvc::jailer {

/// The range dynamic uids come from, as systemd's (systemd.exec(5), DynamicUser=).
inline constexpr uid_t kFirstDynamicUid = 61184;
inline constexpr uid_t kLastDynamicUid = 65519;

/// Which dynamic uid belongs to which unit, for ever: a unit gets the same one at each start, and
/// after a reboot, since files of it may remain. The file has one "NAME UID" line per unit; the
/// jailer is its only writer and replaces it whole before a uid is used.
class Uids {
public:
    struct Range {
        uid_t first = kFirstDynamicUid;
        uid_t last = kLastDynamicUid;
    };
    using InUse = std::function<Result<bool>(uid_t)>;

    /// Reads the file; an absent one is empty, a malformed one is an error: to allocate anew could
    /// hand one unit's files to another. `in_use` says whether a uid is somebody else's.
    [[nodiscard]] static Result<Uids> open(std::string file, Range range, InUse in_use);
    /// The range above, which is reserved for this use on every host with systemd
    /// (systemd.io/UIDS-GIDS); in use is what ids_in_use says.
    [[nodiscard]] static Result<Uids> open(std::string file);

    /// The unit's uid (its gid is the same number), allocated and on disk.
    /// An error also if what is in use cannot be told.
    [[nodiscard]] Result<uid_t> allocate(const std::string& unit);
    /// The same for several, with one write to the disk, which is what an allocation costs; for
    /// all, or on an error for none of them.
    [[nodiscard]] Result<void> allocate(const std::vector<std::string>& units);
    [[nodiscard]] bool has(const std::string& unit) const { return by_unit_.contains(unit); }
    [[nodiscard]] std::vector<std::string> units() const;

private:
    Uids(std::string file, Range range, InUse in_use);
    [[nodiscard]] Result<void> parse(const std::string& text);
    [[nodiscard]] Result<void> add(const std::string& unit, uid_t uid);
    [[nodiscard]] Result<void> give(const std::string& unit);
    [[nodiscard]] Result<void> save() const;

    std::string file_;
    Range range_;
    InUse in_use_;
    FlatMap<std::string, uid_t> by_unit_;
    std::vector<uid_t> taken_;  ///< sorted
    uid_t next_;  ///< where the search begins: after the last one given, so reuse comes late
};

}  // namespace jailsvc::jailer
