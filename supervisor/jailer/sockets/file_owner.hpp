#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.hpp"

namespace jailsvc::jailer {

struct FileOwner {
    uid_t uid = 0;
    gid_t gid = 0;
};

/// Names or numbers of this machine's files of accounts; empty: root. As accounts.hpp, no directory
/// service is asked.
[[nodiscard]] Result<FileOwner> file_owner(const std::string& user, const std::string& group);

}  // namespace jailsvc::jailer
