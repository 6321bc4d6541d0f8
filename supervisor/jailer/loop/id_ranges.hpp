#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "jailer/loop/uids.hpp"
#include "jailer/plan/id_range.hpp"

namespace jailsvc::jailer {

/// Which host ids the user namespace of a unit is mapped to (JSV_ID_MAP_OWN): a range that no other
/// unit, account or line of /etc/subuid has, the same for ever, since files of it may remain.
/// Out of what systemd.io/UIDS-GIDS sets aside for containers.
class IdRanges {
public:
    /// "NAME NUMBER" lines; the range begins at 65536 times the number.
    [[nodiscard]] static Result<IdRanges> open(const std::string& file);
    [[nodiscard]] static Result<IdRanges> open(const std::string& file, Uids::Range numbers,
                                               Uids::InUse in_use);
    /// First id of the unit's range, which is on disk then.
    [[nodiscard]] Result<std::uint32_t> first_of(const std::string& unit);

private:
    explicit IdRanges(Uids numbers) : numbers_(std::move(numbers)) {}
    Uids numbers_;
};

}  // namespace jailsvc::jailer
