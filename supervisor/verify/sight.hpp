#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jailer/plan/plan.hpp"

namespace jailsvc::verify {

/// The file system as a unit's jail will show it, told from the plan and from what the host has
/// now: nothing is mounted. Meant for warnings: where it cannot be sure it does not know.
class Sight {
public:
    explicit Sight(const jailer::Plan& plan);

    enum class Kind : std::uint8_t {
        kUnknown,     ///< it may be there when the unit starts
        kMissing,     ///< the host has no such file where the jail would show it
        kHidden,      ///< the jail covers it with something empty
        kFile,        ///< no program: nobody may execute it
        kExecutable,  ///< a regular file that somebody may execute
        kDirectory
    };
    struct Found {
        Kind kind = Kind::kUnknown;
        std::string by;  ///< of kHidden: the path that covers it
    };
    [[nodiscard]] Found look(const std::string& path) const;

    /// The jail's root, where it is a directory that is not there (yet); empty otherwise.
    [[nodiscard]] const std::string& missing_root() const { return missing_root_; }

private:
    /// What lies at and below a path of the jail; later ones lie over earlier ones.
    struct Cover {
        std::string path;
        std::string source;  ///< of the host; empty: nothing is below
    };
    void add(const jailer::Op& op);
    void show(const jailer::Op& op);
    [[nodiscard]] bool is_made(const std::string& path) const;

    std::string root_ = "/";
    std::string missing_root_;
    std::vector<Cover> covers_;
    std::vector<std::string> made_;  ///< host directories that a start makes
    bool is_view_ = false;
    std::vector<std::string> revealed_;
};

}  // namespace jailsvc::verify
