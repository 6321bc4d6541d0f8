#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "logger/stamper.hpp"

namespace jailsvc::logger {

/// What a unit's log may keep in memory while its file cannot be written [bytes].
inline constexpr std::size_t kRingSize = 256 * 1024;

/// One unit's log file, its followers, and the ring that takes over while the file cannot be
/// written (disk full, read-only): it keeps the newest lines and counts what it had to drop.
class UnitLog {
public:
    /// Opens (or makes) DIRECTORY/UNIT.log for appending; an unended last line is gone on with.
    [[nodiscard]] static Result<UnitLog> open(const std::string& directory,
                                              const std::string& unit);

    /// Stamps and writes what the service wrote.
    void append(std::string_view bytes, std::uint64_t realtime_ns);

    /// Ends a line that was begun and not ended.
    void end_line();

    /// Tries again to write what the ring holds; false if some is left.
    bool flush_ring();
    [[nodiscard]] bool ring_empty() const noexcept { return ring_.empty() && dropped_ == 0; }

    /// A reader's descriptors: the file, read-only, and how much of it is there now.
    struct Reader {
        Fd file;
        std::uint64_t size = 0;
    };
    [[nodiscard]] Result<Reader> open_reader() const;

    /// A pipe's read end that carries every byte written to the file from now on. A follower that
    /// does not keep up is ended (its pipe is closed), never waited for; it can read what it missed
    /// from the file.
    [[nodiscard]] Result<Fd> add_follower();

private:
    UnitLog(std::string path, Fd file, std::uint64_t size, Stamper stamper);

    void write_stamped();
    void write_out(std::string_view bytes);
    [[nodiscard]] std::size_t write_file(std::string_view bytes);
    void feed_followers(std::string_view bytes);
    void keep_in_ring(std::string_view bytes);

    std::string path_;
    Fd file_;
    std::uint64_t size_;
    Stamper stamper_;
    std::string scratch_;
    std::vector<Fd> followers_;
    std::string ring_;
    std::uint64_t dropped_ = 0;  ///< lines that fell out of the ring since the file failed
    bool failed_ = false;        ///< the last write did not succeed; said once
};

}  // namespace jailsvc::logger
