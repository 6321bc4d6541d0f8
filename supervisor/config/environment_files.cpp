#include "config/environment_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/trust.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

std::string time_text(const timespec& time) {
    return fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
}

std::string why_not_found(int code) {
    if (code == ENOENT) return "is not there; make it, or take it out of the list";
    if (code == EACCES) {
        return fmt::format(
            "uid {} may not search its directory; allow that (chmod o+x), the file "
            "itself may stay readable by root alone",
            ::geteuid());
    }
    return ::strerrordesc_np(code);
}

/// Why the file cannot be used; empty: it can.
std::string objection(const struct stat& info, Trust trust, const std::string& path) {
    if (S_ISLNK(info.st_mode)) return "is a symbolic link; name the file itself";
    if (!S_ISREG(info.st_mode)) return "is not a regular file; name one";
    return trust == Trust::kAny ? std::string() : trust_objection(info, path);
}

}  // namespace

std::string stamp_of(const struct stat& info) {
    return fmt::format("inode {} size {} modified {} changed {}", info.st_ino, info.st_size,
                       time_text(info.st_mtim), time_text(info.st_ctim));
}

std::map<std::string, std::string> stamp_environment_files(const Document& document, Trust trust,
                                                           Reporter& reporter) {
    std::map<std::string, std::string> stamps;
    const Value* files = document.find("environment", "file");
    if (files == nullptr) return stamps;
    for (const Text& file : std::get<TextList>(files->data)) {
        if (!is_absolute_path(file.text)) continue;  // reported by its own check
        struct stat info{};
        const bool found = ::lstat(file.text.c_str(), &info) == 0;
        const std::string problem =
            found ? objection(info, trust, file.text) : why_not_found(errno);
        if (problem.empty()) {
            stamps[file.text] = stamp_of(info);
        } else {
            reporter.add(file.where, fmt::format("file: {} {}", shown(file.text), problem));
        }
    }
    return stamps;
}

void add_stamps(Unit& unit, std::map<std::string, std::string> stamps) {
    if (stamps.empty()) return;
    std::string text = unit.text.str();
    for (const auto& [path, stamp] : stamps) {
        text += fmt::format("# environment file {}: {}\n", path, stamp);
    }
    unit.set_text(text);
    unit.environment.make().stamps = std::move(stamps);
}

}  // namespace jailsvc::config
