#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.hpp"
#include "config/trusted_dir.hpp"

namespace jailsvc::config {

/// What a site, or who ships it, wants of units before anybody enables or disables one by hand, as
/// systemd.preset(5) has it: files NAME.preset with lines "enable GLOB", "disable GLOB" and
/// "ignore GLOB"; '#' and ';' begin comments.
class Presets {
public:
    enum class Policy { kNone, kEnable, kDisable };

    /// Of all directories, highest priority first: files by their names, where the higher directory
    /// has the only word on a name. Directories may be absent; what else is wrong is told.
    [[nodiscard]] static Presets read(const std::vector<std::string>& dirs, Trust trust,
                                      Diagnostics& problems);

    /// Adds the lines of one file after those that are there.
    void add(const std::string& file, std::string_view text, Diagnostics& problems);

    /// That of the first line whose glob matches the name; kNone where that is "ignore", or none
    /// does.
    [[nodiscard]] Policy of(const std::string& unit) const;

private:
    struct Line {
        Policy policy = Policy::kNone;
        std::string glob;
    };
    std::vector<Line> lines_;
};

}  // namespace jailsvc::config
