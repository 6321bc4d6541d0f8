#pragma once

#include <string>
#include <vector>

#include "base/places.hpp"
#include "jailer/plan/plan.hpp"

namespace jailsvc::jailer {

/// Where those files are.
[[nodiscard]] std::string accounts_root(const Places& places);

/// The files that show jails a passwd(5) and a group(5) with the line of their dynamic user. Those
/// of the host's tree are one for all units; an image's are made of its own, for each unit.
struct AccountFiles {
    std::string passwd;
    std::string group;
};
[[nodiscard]] AccountFiles account_files(const std::string& folder, const std::string& unit,
                                         const std::string& jail_root);

/// Binds them over the jail's own, if it has a dynamic user, a root of its own, and no operation
/// that does something else to these files. Where one is missing the bind is passed over.
void show_account(std::vector<Op>& ops, const std::string& folder, const std::string& unit);

}  // namespace jailsvc::jailer
