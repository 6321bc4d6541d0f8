#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// /proc/PID/mountinfo, read (proc(5)). Pure.
namespace jailsvc::jailer {

struct MountEntry {
    std::uint64_t id = 0;
    std::uint64_t parent = 0;
    std::string root;           ///< of the mount in its file system
    std::string point;          ///< where it is, seen from the process's root
    std::string options;        ///< of the mount: "ro,nosuid"
    std::string type;           ///< "tmpfs"
    std::string source;         ///< "jailsvc" for what the interpreter makes
    std::string super_options;  ///< of the file system: "rw,size=16384k"
    bool propagates = false;    ///< shared with, or slave of, a mount elsewhere

    [[nodiscard]] bool read_only() const { return has_option(options, "ro"); }
    /// Whether `option` is one of the comma-separated `list`.
    [[nodiscard]] static bool has_option(std::string_view list, std::string_view option);
    /// Value of "name=value" in the list.
    [[nodiscard]] static std::optional<std::string> option_value(std::string_view list,
                                                                 std::string_view name);
};

class MountTable {
public:
    [[nodiscard]] static Result<MountTable> parse(std::string_view text);

    [[nodiscard]] const std::vector<MountEntry>& entries() const { return entries_; }
    [[nodiscard]] const MountEntry* find(std::uint64_t id) const;

private:
    std::vector<MountEntry> entries_;
};

}  // namespace jailsvc::jailer
