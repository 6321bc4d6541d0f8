#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "ipc/messages.hpp"
#include "logger/archivist.hpp"
#include "logger/disk.hpp"
#include "logger/outlets.hpp"
#include "logger/stamper.hpp"

namespace jailsvc::logger {

/// What a unit's log may keep in memory while its file cannot be written [bytes]; less where the
/// units together keep a lot.
inline constexpr std::size_t kRingSize = 256 * 1024;
inline constexpr std::size_t kCrowdedRingSize = 16 * 1024;
inline constexpr std::size_t kManyRings = 64U << 20;

/// What all units' logs share.
struct Shared {
    explicit Shared(std::string where) : directory(std::move(where)), archivist(directory) {}

    const std::string directory;
    std::string boot;  ///< which boot of the machine this is, for the notes of the clocks
    Disk disk;
    Archivist archivist;
    Outlets outlets;
    std::string scratch;         ///< the block that is being written
    std::size_t ring_bytes = 0;  ///< in all rings together
};

/// One unit's log file, its rotation, its followers, and the ring that takes over while the file
/// cannot be written (disk full, read-only, hanging): it keeps the newest lines and counts what it
/// had to drop. The file is opened when there is something to write or to read. All but `keep` is
/// for the loop's thread.
class UnitLog {
public:
    explicit UnitLog(std::string unit) : unit_(std::move(unit)) {}
    UnitLog(UnitLog&&) = default;

    [[nodiscard]] const std::string& unit() const noexcept { return unit_; }

    /// Stamps and writes what the service wrote, in a new file where the old one is full or old.
    void append(Shared& shared, const ipc::LogSettings& settings, std::string_view bytes,
                LineMark mark, const Moment& moment);
    /// A line of the logger's own.
    void say(Shared& shared, const ipc::LogSettings& settings, std::string_view text,
             const Moment& moment);
    /// Ends a line that was begun and not ended.
    void end_line(Shared& shared, const ipc::LogSettings& settings);

    /// Stamps and keeps in memory what the service wrote while the loop waits for a disk.
    void keep(Shared& shared, std::string_view bytes, LineMark mark, const Moment& moment);
    /// What the loop has read of the unit is not stamped yet: `keep` would be ahead of it.
    [[nodiscard]] bool busy() const noexcept { return busy_; }

    /// Its files have been removed: what comes next begins the first of new ones.
    void start_over();

    /// Tries again to write what the ring holds; false if some is left.
    bool flush_ring(Shared& shared, const ipc::LogSettings& settings);
    [[nodiscard]] bool ring_empty() const noexcept { return ring_ == nullptr; }

    /// A reader's descriptor of one file (0: the current), how much of it is there now, and which
    /// files there are.
    struct Reader {
        Fd file;
        std::uint64_t size = 0;
        std::uint64_t number = 0;
        std::uint64_t oldest = 0;
    };
    [[nodiscard]] Result<Reader> open_reader(Shared& shared, const ipc::LogSettings& settings,
                                             std::uint64_t number);

    /// A pipe's read end that carries every byte written to the file from now on. A follower that
    /// does not keep up is ended (its pipe is closed), never waited for; it can read what it missed
    /// from the files.
    [[nodiscard]] Result<Fd> add_follower();
    [[nodiscard]] bool has_followers() const noexcept { return followers_ != nullptr; }

private:
    struct Ring {
        std::string bytes;
        std::uint64_t dropped = 0;  ///< lines that fell out since the file failed
    };
    struct Opened;

    [[nodiscard]] Result<void> open_file(Shared& shared, const ipc::LogSettings& settings);
    void take_file(Shared& shared, const ipc::LogSettings& settings, Opened opened);
    [[nodiscard]] bool is_due(const ipc::LogSettings& settings, std::size_t more,
                              const Moment& moment) const;
    void begin_block(Shared& shared, const ipc::LogSettings& settings, std::size_t size,
                     const Moment& moment);
    void note_clocks(Shared& shared, const Moment& moment);
    [[nodiscard]] Result<void> rotate(Shared& shared, const ipc::LogSettings& settings);
    void try_to_rotate(Shared& shared, const ipc::LogSettings& settings);
    void write_scratch(Shared& shared, const ipc::LogSettings& settings);
    [[nodiscard]] bool write_bytes(Shared& shared, std::string_view bytes);
    [[nodiscard]] std::size_t write_file(Shared& shared, std::string_view bytes);
    [[nodiscard]] bool write_drop_note(Shared& shared);
    void feed_followers(std::string_view bytes);
    void put_in_ring(Shared& shared, std::string_view bytes, bool first);
    void complain(const Error& error);

    std::string unit_;
    Fd file_;
    std::uint32_t began_s_ = 0;          ///< stamp of the file's first line [s since the epoch]
    std::uint64_t size_ = 0;             ///< of the file [bytes]
    std::uint64_t put_off_ = 0;          ///< rotation failed: not again before this size [bytes]
    std::uint64_t number_ = 0;           ///< of the file; 0: it was not opened yet
    std::int64_t clock_difference_ = 0;  ///< realtime - boottime as the file says [µs]; 0: nothing
    std::unique_ptr<Ring> ring_;
    std::unique_ptr<std::vector<Fd>> followers_;
    Stamper stamper_;
    bool busy_ = false;
    bool ends_line_ = true;  ///< the file's last byte is a newline
    bool torn_ = false;      ///< what comes next does not go on with the file's last line
    bool failed_ = false;    ///< the last write did not succeed; said once
};

}  // namespace jailsvc::logger
