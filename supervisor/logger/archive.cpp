#include "logger/archive.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "base/sys.hpp"

namespace jailsvc::logger {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

void take_name(std::string_view name, std::map<std::uint64_t, ArchivedFile>& files) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || number == 0) return;
    const std::string_view rest = name.substr(static_cast<std::size_t>(end - name.data()));
    const auto put = [&](bool ArchivedFile::* what) {
        files[number].number = number;
        files[number].*what = true;
    };
    if (rest == ".log") put(&ArchivedFile::plain);
    if (rest == ".log.zst") put(&ArchivedFile::compressed);
    if (rest == ".log.zst.tmp") put(&ArchivedFile::half_made);
}

}  // namespace

std::string log_path(std::string_view directory, std::string_view unit) {
    return fmt::format("{}/{}.log", directory, unit);
}

bool is_kept(std::string_view directory, std::string_view unit) {
    return ::access(log_path(directory, unit).c_str(), F_OK) == 0;
}

std::string archive_path(std::string_view directory, std::string_view unit) {
    return fmt::format("{}/{}.old", directory, unit);
}

namespace {

constexpr std::string_view kPassing = ".passing";

std::string mark_path(std::string_view directory, std::string_view unit) {
    return fmt::format("{}/{}{}", directory, unit, kPassing);
}

}  // namespace

void mark_passing(std::string_view directory, std::string_view unit) {
    // What cannot be marked stays for good, as any log does.
    (void)sys::open(mark_path(directory, unit), O_WRONLY | O_CREAT | O_NOFOLLOW, 0640);
}

std::vector<std::string> list_passing(const std::string& directory) {
    std::vector<std::string> units;
    const std::unique_ptr<DIR, CloseDirectory> open(::opendir(directory.c_str()));
    if (open == nullptr) return units;
    while (const dirent* entry = ::readdir(open.get())) {
        std::string_view name = entry->d_name;
        if (!name.ends_with(kPassing)) continue;
        name.remove_suffix(kPassing.size());
        if (!name.empty() && name.front() != '.') units.emplace_back(name);
    }
    return units;
}

void remove_logs_of(std::string_view directory, std::string_view unit) {
    (void)::unlink(mark_path(directory, unit).c_str());
    (void)::unlink(log_path(directory, unit).c_str());
    const std::string old = archive_path(directory, unit);
    for (const ArchivedFile& file : list_archive(old).value_or(std::vector<ArchivedFile>())) {
        const std::string plain = fmt::format("{}/{}", old, archived_name(file.number));
        (void)::unlink(plain.c_str());
        (void)::unlink((plain + ".zst").c_str());
        (void)::unlink((plain + ".zst.tmp").c_str());
    }
    (void)::rmdir(old.c_str());
}

std::string archived_name(std::uint64_t number) {
    return fmt::format("{:08}.log", number);
}

Result<std::vector<ArchivedFile>> list_archive(const std::string& path) {
    const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
    if (directory == nullptr) {
        if (errno == ENOENT) return std::vector<ArchivedFile>{};
        return fail_errno("open " + path);
    }
    std::map<std::uint64_t, ArchivedFile> files;
    while (const dirent* entry = ::readdir(directory.get())) take_name(entry->d_name, files);
    std::vector<ArchivedFile> sorted;
    for (const auto& [number, file] : files) sorted.push_back(file);
    return sorted;
}

Result<Fd> open_archived(const std::string& path, std::uint64_t number) {
    const std::string plain = fmt::format("{}/{}", path, archived_name(number));
    // It is there under one of the names, and both while it changes from the first to the second.
    if (auto file = sys::open(plain, O_RDONLY | O_NOFOLLOW)) return file;
    return sys::open(plain + ".zst", O_RDONLY | O_NOFOLLOW);
}

}  // namespace jailsvc::logger
