#pragma once

#include <zstd.h>

#include <catch2/catch.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys.hpp"
#include "logger/archive.hpp"
#include "logger/stamper.hpp"
#include "logger/unit_log.hpp"
#include "temp_folder.hpp"

/// A log that a test writes, and what can be read of it.
namespace jailsvc::logger::test {

using jailsvc::test::TempFolder;

inline constexpr std::uint64_t kMoment = 1'700'000'000'123'456'789;  // 2023-11-14T22:13:20.123456Z
inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline const std::string kTime = "2023-11-14T22:13:20.123456Z";
inline const std::string kStamp = kTime + " ";

inline Moment moment(std::uint64_t seconds = 0) {
    return {kMoment + seconds * kSecond, (1000 + seconds) * kSecond};
}

struct LogFolder : TempFolder {
    LogFolder() : TempFolder("logger") {}
    [[nodiscard]] std::string raw() const {
        return sys::read_file(at("web.log"), 64U << 20).value();
    }
    /// Without what is said of the clocks.
    [[nodiscard]] std::string content() const { return without_notes(raw()); }

    static std::string without_notes(const std::string& text) {
        std::string kept;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            if (line.find("# clock ") == std::string::npos) kept += line + "\n";
        }
        return kept;
    }
};

/// One unit's log in a directory of its own.
struct Written {
    LogFolder directory;
    Shared shared{directory.path()};
    ipc::LogSettings settings;
    UnitLog log{"web"};
    Written() { shared.disk.lock(); }
    ~Written() {
        shared.archivist.wait();
        shared.disk.unlock();
    }
    void append(std::string_view bytes, std::uint64_t seconds = 0) {
        log.append(shared, settings, bytes, LineMark::kOutput, moment(seconds));
    }
    /// The text of every line that there is, over all files, in order.
    [[nodiscard]] std::vector<std::string> all_lines() {
        std::vector<std::string> lines;
        const std::string archive = archive_path(directory.path(), "web");
        const auto files = list_archive(archive);
        REQUIRE(files);
        for (const auto& file : *files) {
            auto fd = open_archived(archive, file.number);
            REQUIRE(fd);
            collect(unpacked(sys::read_fd(fd->get(), 64U << 20).value()), lines);
        }
        collect(raw(), lines);
        return lines;
    }
    [[nodiscard]] std::string raw() const { return directory.raw(); }

    static std::string unpacked(std::string bytes) {
        if (!bytes.starts_with("\x28\xb5\x2f\xfd")) return bytes;
        std::string text(64U << 20, '\0');
        const std::size_t size =
            ::ZSTD_decompress(text.data(), text.size(), bytes.data(), bytes.size());
        REQUIRE(::ZSTD_isError(size) == 0);
        text.resize(size);
        return text;
    }
    static void collect(const std::string& text, std::vector<std::string>& lines) {
        std::istringstream stream(text);
        for (std::string raw; std::getline(stream, raw);) {
            const auto line = parse_log_line(raw);
            REQUIRE(line);
            if (line->mark != LineMark::kLogger) lines.emplace_back(line->text);
        }
    }
};

}  // namespace jailsvc::logger::test
