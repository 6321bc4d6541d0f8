#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "jailer/loop/uids.hpp"

namespace jailsvc::jailer {

/// Writes what account_view.hpp binds: passwd(5) and group(5) of the host, or of an image, with
/// lines for dynamic users, so that getpwuid(3) finds a service's own name. Files are changed in
/// place: jails that stand see the change, and what is attested is the file that is bound.
class AccountLists {
public:
    explicit AccountLists(std::string root) : root_(std::move(root)) {}

    /// Before a unit's jail is made for the first time after it was loaded. `jail_root` is "/" for
    /// the host's tree. Costs nothing for a unit that is listed already, in the host's tree.
    [[nodiscard]] Result<void> list(const std::string& unit, uid_t uid,
                                    const std::string& jail_root, Uids& uids);
    /// The host's own files may have changed: they are read again when the next unit is listed.
    void invalidate() { listed_.clear(); }
    /// The unit is gone; its uid stays its own.
    void forget(const std::string& unit);

private:
    [[nodiscard]] Result<void> list_all(Uids& uids);

    std::string root_;
    std::vector<uid_t> listed_;  ///< in the host's files, sorted
};

/// A user's name made of a unit's, not among those taken: at most 31 bytes, letters, digits, '_',
/// '.' and '-'.
using AccountNames = std::set<std::string, std::less<>>;
[[nodiscard]] std::string account_name(const std::string& unit, uid_t uid,
                                       const AccountNames& taken);

}  // namespace jailsvc::jailer
