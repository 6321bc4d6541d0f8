#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

/// A unit's rotated files: DIRECTORY/UNIT.old/00000017.log, later 00000017.log.zst. Numbers rise
/// for ever. Every step is a rename, so that at any instant a line is in exactly one whole file, or
/// in a plain one and a compressed one of the same number that say the same.
namespace jailsvc::logger {

struct ArchivedFile {
    std::uint64_t number = 0;
    bool plain = false;       ///< N.log
    bool compressed = false;  ///< N.log.zst
    bool half_made = false;   ///< N.log.zst.tmp, of a logger that ended meanwhile
};

[[nodiscard]] std::string log_path(std::string_view directory, std::string_view unit);
[[nodiscard]] std::string archive_path(std::string_view directory, std::string_view unit);
[[nodiscard]] std::string archived_name(std::uint64_t number);  ///< "00000017.log"

/// Whether there is a file of the unit.
[[nodiscard]] bool is_kept(std::string_view directory, std::string_view unit);

/// Notes in the directory that the unit's log goes with the unit, be it after another boot.
void mark_passing(std::string_view directory, std::string_view unit);
/// The units that are so marked.
[[nodiscard]] std::vector<std::string> list_passing(const std::string& directory);

/// The unit's log and all that was rotated, and such a mark. What cannot be removed stays.
void remove_logs_of(std::string_view directory, std::string_view unit);

/// By number; empty where there is no such directory.
[[nodiscard]] Result<std::vector<ArchivedFile>> list_archive(const std::string& path);

/// The file with that number, read-only, compressed or not; ENOENT if it is kept no more.
[[nodiscard]] Result<Fd> open_archived(const std::string& path, std::uint64_t number);

}  // namespace jailsvc::logger
