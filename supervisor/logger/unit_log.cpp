#include "logger/unit_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/sys.hpp"
#include "logger/archive.hpp"

namespace jailsvc::logger {
namespace {

constexpr std::size_t kMaxFollowers = 32;  ///< per unit

}  // namespace

void UnitLog::append(Shared& shared, const ipc::LogSettings& settings, std::string_view bytes,
                     LineMark mark, const Moment& moment) {
    shared.scratch.clear();
    busy_ = true;
    if (!file_) {
        if (auto opened = open_file(shared, settings); !opened) complain(opened.error());
    }
    if (!stamper_.at_line_start() && is_due(settings, bytes.size(), moment)) {
        // A file ends with a whole line.
        const std::size_t end = bytes.find('\n') + 1;
        stamper_.append(shared.scratch, bytes.substr(0, end), moment.stamp(), mark);
        write_scratch(shared, settings);
        shared.scratch.clear();
        bytes.remove_prefix(end);
    }
    if (!bytes.empty()) {
        if (stamper_.at_line_start()) begin_block(shared, settings, bytes.size(), moment);
        stamper_.append(shared.scratch, bytes, moment.stamp(), mark);
    }
    busy_ = false;
    write_scratch(shared, settings);
}

void UnitLog::say(Shared& shared, const ipc::LogSettings& settings, std::string_view text,
                  const Moment& moment) {
    shared.scratch.clear();
    stamper_.say(shared.scratch, text, moment.stamp());
    write_scratch(shared, settings);
}

void UnitLog::start_over() {
    file_ = Fd();
    size_ = put_off_ = number_ = 0;
    clock_difference_ = 0;
    ends_line_ = true;
    torn_ = false;
}

void UnitLog::end_line(Shared& shared, const ipc::LogSettings& settings) {
    shared.scratch.clear();
    stamper_.end_line(shared.scratch);
    write_scratch(shared, settings);
}

void UnitLog::keep(Shared& shared, std::string_view bytes, LineMark mark, const Moment& moment) {
    std::string stamped;
    stamper_.append(stamped, bytes, moment.stamp(), mark);
    put_in_ring(shared, stamped, false);
}

/// At a line's start: what belongs before the block.
void UnitLog::begin_block(Shared& shared, const ipc::LogSettings& settings, std::size_t size,
                          const Moment& moment) {
    if (is_due(settings, size, moment) && (ring_empty() || flush_ring(shared, settings))) {
        try_to_rotate(shared, settings);
    }
    if (size_ == 0) began_s_ = static_cast<std::uint32_t>(moment.realtime_us() / 1'000'000);
    note_clocks(shared, moment);
}

void UnitLog::note_clocks(Shared& shared, const Moment& moment) {
    constexpr std::int64_t kSlack = 5000;  // so exact is what readers compute [µs]
    const auto difference = static_cast<std::int64_t>(moment.realtime_us() - moment.boottime_us());
    if (clock_difference_ != 0 && std::abs(difference - clock_difference_) <= kSlack) return;
    clock_difference_ = difference;
    stamper_.say(shared.scratch, format_clock_note({moment.boottime_us(), shared.boot}),
                 moment.stamp());
}

void UnitLog::write_scratch(Shared& shared, const ipc::LogSettings& settings) {
    if (shared.scratch.empty()) return;
    if (ring_empty()) {
        (void)write_bytes(shared, shared.scratch);
        return;
    }
    put_in_ring(shared, shared.scratch, false);
    (void)flush_ring(shared, settings);
}

/// What the file does not take goes to the ring, before what was kept there meanwhile.
bool UnitLog::write_bytes(Shared& shared, std::string_view bytes) {
    const std::size_t written = write_file(shared, bytes);
    feed_followers(bytes.substr(0, written));
    if (written == bytes.size()) return true;
    put_in_ring(shared, bytes.substr(written), true);
    return false;
}

/// Bytes written; fewer than all only on an error, which is said once until a write succeeds.
std::size_t UnitLog::write_file(Shared& shared, std::string_view bytes) {
    std::size_t done = 0;
    while (file_ && done < bytes.size()) {
        const ssize_t count = shared.disk.use(
            [&] { return ::write(file_.get(), bytes.data() + done, bytes.size() - done); });
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            complain({::strerrordesc_np(errno), errno});
            break;
        }
        done += static_cast<std::size_t>(count);
        failed_ = false;
    }
    if (done > 0) ends_line_ = bytes[done - 1] == '\n';
    size_ += done;
    return done;
}

void UnitLog::complain(const Error& error) {
    if (!failed_) {
        spdlog::warn("{}: log: {}; keeping the newest {} KiB in memory until it can be written",
                     unit_, error.message, kRingSize / 1024);
    }
    failed_ = true;
}

void UnitLog::feed_followers(std::string_view bytes) {
    if (followers_ == nullptr || bytes.empty()) return;
    std::erase_if(*followers_, [bytes](const Fd& follower) {
        // A pipe takes all, a part, or nothing. Whoever did not get all is ended: it knows how far
        // it has read and finds the rest in the files.
        const ssize_t count = ::write(follower.get(), bytes.data(), bytes.size());
        return count != static_cast<ssize_t>(bytes.size());
    });
    if (followers_->empty()) followers_.reset();
}

void UnitLog::put_in_ring(Shared& shared, std::string_view bytes, bool first) {
    if (ring_ == nullptr) ring_ = std::make_unique<Ring>();
    std::string& ring = ring_->bytes;
    ring.insert(first ? 0 : ring.size(), bytes);
    shared.ring_bytes += bytes.size();
    const std::size_t limit = shared.ring_bytes > kManyRings ? kCrowdedRingSize : kRingSize;
    if (ring.size() <= limit) return;
    // Drop whole lines, at least a quarter of the ring, so that this is rare.
    std::size_t cut = ring.find('\n', ring.size() - limit * 3 / 4);
    cut = cut == std::string::npos ? ring.size() : cut + 1;
    ring_->dropped += static_cast<std::uint64_t>(
        std::count(ring.begin(), ring.begin() + static_cast<std::ptrdiff_t>(cut), '\n'));
    ring.erase(0, cut);
    shared.ring_bytes -= cut;
    torn_ = true;
}

/// Also ends a line that was cut off by what was dropped.
bool UnitLog::write_drop_note(Shared& shared) {
    std::string note;
    if (torn_ && !ends_line_) note += '\n';
    const std::uint64_t lines = ring_->dropped;
    if (lines > 0) {
        note += Moment::now().stamp();
        note += fmt::format("# {} lines were dropped while the log could not be written\n", lines);
    }
    const std::size_t written = write_file(shared, note);
    feed_followers(std::string_view(note).substr(0, written));
    if (written < note.size()) return false;
    ring_->dropped -= lines;
    torn_ = ring_->dropped > 0;
    return true;
}

bool UnitLog::flush_ring(Shared& shared, const ipc::LogSettings& settings) {
    if (!file_ && !open_file(shared, settings)) return false;
    while (ring_ != nullptr) {
        if ((torn_ || ring_->dropped > 0) && !write_drop_note(shared)) return false;
        // It may grow while the file is written.
        const std::string bytes = std::exchange(ring_->bytes, {});
        shared.ring_bytes -= bytes.size();
        if (bytes.empty()) {
            ring_.reset();
        } else if (!write_bytes(shared, bytes)) {
            return false;
        }
    }
    return true;
}

Result<Fd> UnitLog::add_follower() {
    if (followers_ != nullptr && followers_->size() >= kMaxFollowers) {
        return fail_errno(fmt::format("{} readers follow this log already", kMaxFollowers), EBUSY);
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) return fail_errno("pipe");
    Fd reader(ends[0]);
    if (followers_ == nullptr) followers_ = std::make_unique<std::vector<Fd>>();
    followers_->emplace_back(ends[1]);
    // The reader blocks in read(2): only our end is non-blocking.
    if (::fcntl(reader.get(), F_SETFL, 0) == -1) return fail_errno("fcntl");
    return reader;
}

}  // namespace jailsvc::logger
