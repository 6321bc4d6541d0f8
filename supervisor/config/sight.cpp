#include "config/sight.hpp"

#include <sys/stat.h>

#include <array>
#include <functional>
#include <string>
#include <string_view>

#include "config/names.hpp"

namespace jailsvc::config {
namespace {

/// `before` and what is at `path`, in one number. A file's ctime cannot be set.
std::uint64_t with(std::uint64_t before, const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) info = {};
    const std::array<std::uint64_t, 7> seen{before,
                                            info.st_dev,
                                            info.st_ino,
                                            static_cast<std::uint64_t>(info.st_size),
                                            static_cast<std::uint64_t>(info.st_mode),
                                            static_cast<std::uint64_t>(info.st_ctim.tv_sec),
                                            static_cast<std::uint64_t>(info.st_ctim.tv_nsec)};
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(seen.data()), sizeof seen});
}

}  // namespace

Sight::Sight(const Sources& sources) : sources_(sources) {
    for (const auto* paths : {&sources.unit_dirs, &sources.profile_dirs}) {
        for (const std::string& path : *paths) common_ = with(common_, path);
    }
    common_ = with(common_, sources.ceiling);
}

std::uint64_t Sight::of(const Unit& unit) const {
    std::uint64_t seen = common_;
    for (const std::string& dir : sources_.unit_dirs) {
        for (const std::string& name : file_names_of(unit.name)) {
            seen = with(seen, dir + "/" + name + ".d");
        }
    }
    for (const SharedPath& file : unit.files) seen = with(seen, file.str());
    for (const std::string& file : unit.environment->file) seen = with(seen, file);
    return seen;
}

}  // namespace jailsvc::config
