#include "jailer/loop/id_ranges.hpp"

#include <fmt/format.h>

#include "jailer/loop/accounts.hpp"

namespace jailsvc::jailer {
namespace {

constexpr Uids::Range kContainers{524288 / kRangeSize, 1879048191 / kRangeSize};

}  // namespace

Result<IdRanges> IdRanges::open(const std::string& file) {
    return open(file, kContainers, [](uid_t number) {
        return ids_in_use({std::uint64_t{number} * kRangeSize, kRangeSize});
    });
}

Result<IdRanges> IdRanges::open(const std::string& file, Uids::Range numbers, Uids::InUse in_use) {
    TRY(Uids known, Uids::open(file, numbers, std::move(in_use)));
    return IdRanges(std::move(known));
}

Result<std::uint32_t> IdRanges::first_of(const std::string& unit) {
    const auto number = numbers_.allocate(unit);
    if (number) return *number * kRangeSize;
    if (number.error().code != EUSERS) return std::unexpected(number.error());
    return fail(
        "all ranges of ids for user namespaces are taken; give units a uid_map and a "
        "gid_map of [jail.namespaces], or free ranges in /etc/subuid",
        EUSERS);
}

}  // namespace jailsvc::jailer
