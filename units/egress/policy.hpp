#pragma once

#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "egress/allowlist.hpp"

namespace jailsvc::egress {

/// What the supervisor has written of a unit when it was started: "unit NAME" and any number of
/// "allow HOST:PORT", a line each.
struct Policy {
    std::string unit;
    Allowlist allowed;
};
[[nodiscard]] Result<Policy> parse_policy(std::string_view text);

/// The policy in a file that is replaced, by rename(2), whenever the unit starts.
class PolicyFile {
public:
    explicit PolicyFile(std::string path) : path_(std::move(path)) {}

    /// As the file is now; the error is told once for each version of it. nullptr: nothing is
    /// allowed.
    [[nodiscard]] std::shared_ptr<const Policy> current();

private:
    struct Stamp {
        ino_t inode = 0;
        timespec changed{};
        off_t size = 0;
    };
    void load();

    std::string path_;
    std::optional<Stamp> stamp_;
    std::shared_ptr<const Policy> policy_;
};

}  // namespace jailsvc::egress
