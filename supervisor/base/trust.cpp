#include "base/trust.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace jailsvc {

std::string trust_objection(const struct stat& info, const std::string& path) {
    if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
        return fmt::format("owned by uid {}, so somebody else could change it; run: chown root {}",
                           info.st_uid, path);
    }
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fmt::format("writable by group or others (mode {:04o}); run: chmod go-w {}",
                           info.st_mode & 07777U, path);
    }
    return {};
}

}  // namespace jailsvc
