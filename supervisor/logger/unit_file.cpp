// The part of UnitLog that opens, rotates and lends its files.

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.hpp"
#include "logger/archive.hpp"
#include "logger/unit_log.hpp"

namespace jailsvc::logger {

/// What a log file that is there already tells.
struct UnitLog::Opened {
    Fd file;
    std::uint64_t size = 0;
    bool ends_line = true;      ///< its last byte is a newline, or there is none
    std::uint32_t began_s = 0;  ///< stamp of its first line; 0: none
    std::uint64_t number = 1;   ///< the next after the rotated ones
    bool untidy = false;        ///< of those, not all are as they should be
};

namespace {

constexpr mode_t kLogMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

std::string read_at(int file, std::size_t size, std::uint64_t offset) {
    std::string bytes(size, '\0');
    const ssize_t count = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
}

}  // namespace

Result<void> UnitLog::open_file(Shared& shared, const ipc::LogSettings& settings) {
    const auto open = [&]() -> Result<Opened> {
        const std::string path = log_path(shared.directory, unit_);
        Opened opened;
        // Read access too: the last line may be unended, from before a logger's death.
        TRY(opened.file,
            sys::open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, kLogMode));
        struct stat info{};
        if (::fstat(opened.file.get(), &info) == -1) return fail_errno("fstat " + path);
        if (!S_ISREG(info.st_mode)) return fail(path + ": not a regular file; remove it");
        opened.size = static_cast<std::uint64_t>(info.st_size);
        opened.ends_line =
            opened.size == 0 || read_at(opened.file.get(), 1, opened.size - 1) == "\n";
        const auto first = parse_stamp(read_at(opened.file.get(), kStampLength, 0));
        opened.began_s = static_cast<std::uint32_t>(first.value_or(0) / 1'000'000);
        TRY(const auto archived, list_archive(archive_path(shared.directory, unit_)));
        if (!archived.empty()) opened.number = archived.back().number + 1;
        opened.untidy = archived.size() > settings.keep ||
                        std::ranges::any_of(archived, [&settings](const ArchivedFile& file) {
                            return file.half_made || (file.plain && settings.compress != 0);
                        });
        return opened;
    };
    TRY(Opened opened, shared.disk.use(open));
    take_file(shared, settings, std::move(opened));
    return {};
}

void UnitLog::take_file(Shared& shared, const ipc::LogSettings& settings, Opened opened) {
    file_ = std::move(opened.file);
    size_ = opened.size;
    began_s_ = opened.began_s;
    number_ = opened.number;
    clock_difference_ = 0;
    put_off_ = 0;
    // A write that a death has cut comes again from its start, so what comes next is a line of its
    // own, though it may be the rest of this one.
    ends_line_ = opened.ends_line;
    if (!ends_line_) (void)write_file(shared, "\n");
    torn_ = !ends_line_;
    if (opened.untidy) shared.archivist.tidy(unit_, settings.keep, settings.compress != 0);
}

bool UnitLog::is_due(const ipc::LogSettings& settings, std::size_t more,
                     const Moment& moment) const {
    if (!file_ || size_ == 0 || size_ < put_off_) return false;
    const std::uint64_t now_s = moment.realtime_us() / 1'000'000;
    const bool old =
        settings.max_age_s != 0 && began_s_ != 0 && now_s >= began_s_ + settings.max_age_s;
    return old || size_ + more > settings.max_size;
}

void UnitLog::try_to_rotate(Shared& shared, const ipc::LogSettings& settings) {
    const auto rotated = rotate(shared, settings);
    if (rotated) return;
    spdlog::warn("{}: rotate the log: {}; it grows on", unit_, rotated.error().message);
    put_off_ = size_ + settings.max_size / 4;
}

/// One rename: killed before or after it, the next logger finds every line, and goes on.
Result<void> UnitLog::rotate(Shared& shared, const ipc::LogSettings& settings) {
    const std::string path = log_path(shared.directory, unit_);
    const std::string archive = archive_path(shared.directory, unit_);
    const std::string target = fmt::format("{}/{}", archive, archived_name(number_));
    const auto move = [&]() -> Result<void> {
        if (::mkdir(archive.c_str(), kDirectoryMode) == -1 && errno != EEXIST) {
            return fail_errno("mkdir " + archive);
        }
        // Gone: somebody else took it away, which is as good.
        if (::rename(path.c_str(), target.c_str()) == -1 && errno != ENOENT) {
            return fail_errno("rename to " + target);
        }
        file_ = Fd();
        return {};
    };
    TRY_VOID(shared.disk.use(move));
    const std::uint64_t next = number_ + 1;
    if (auto opened = open_file(shared, settings); !opened) complain(opened.error());
    size_ = 0;
    number_ = std::max(number_, next);  // which the archive does not tell if it keeps no file
    shared.archivist.tidy(unit_, settings.keep, settings.compress != 0);
    return {};
}

Result<UnitLog::Reader> UnitLog::open_reader(Shared& shared, const ipc::LogSettings& settings,
                                             std::uint64_t number) {
    if (!file_) TRY_VOID(open_file(shared, settings));
    const auto open = [&]() -> Result<Reader> {
        const std::string archive = archive_path(shared.directory, unit_);
        TRY(const auto archived, list_archive(archive));
        Reader reader{.file = {},
                      .size = size_,
                      .number = number == 0 ? number_ : number,
                      .oldest = archived.empty() ? number_ : archived.front().number};
        if (reader.number == number_) {
            TRY(reader.file, sys::open(log_path(shared.directory, unit_), O_RDONLY | O_NOFOLLOW));
            return reader;
        }
        TRY(reader.file, open_archived(archive, reader.number));
        struct stat info{};
        if (::fstat(reader.file.get(), &info) == -1) return fail_errno("fstat");
        reader.size = static_cast<std::uint64_t>(info.st_size);
        return reader;
    };
    return shared.disk.use(open);
}

}  // namespace jailsvc::logger
