#include "logger/unit_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/sys.hpp"

namespace jailsvc::logger {
namespace {

constexpr mode_t kLogMode = 0640;
constexpr std::size_t kMaxFollowers = 32;  ///< per unit

/// How long the unended last line of the file is; 0 if the file ends with a newline.
std::size_t unended_line(int file, std::uint64_t size) {
    char tail[kMaxLine + 64];  // a line and its stamp
    const std::uint64_t start = size > sizeof tail ? size - sizeof tail : 0;
    const ssize_t count = ::pread(file, tail, sizeof tail, static_cast<off_t>(start));
    if (count <= 0) return 0;
    const std::string_view text(tail, static_cast<std::size_t>(count));
    const std::size_t newline = text.rfind('\n');
    return newline == std::string_view::npos ? text.size() : text.size() - newline - 1;
}

}  // namespace

UnitLog::UnitLog(std::string path, Fd file, std::uint64_t size, Stamper stamper)
    : path_(std::move(path)), file_(std::move(file)), size_(size), stamper_(std::move(stamper)) {}

Result<UnitLog> UnitLog::open(const std::string& directory, const std::string& unit) {
    std::string path = directory + "/" + unit + ".log";
    // Read access too: the last line may be unended, from before a logger's death.
    TRY(Fd file, sys::open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, kLogMode));
    struct stat info{};
    if (::fstat(file.get(), &info) == -1) return fail_errno("fstat " + path);
    if (!S_ISREG(info.st_mode)) return fail(path + ": not a regular file; remove it");
    const auto size = static_cast<std::uint64_t>(info.st_size);
    const std::size_t unended = unended_line(file.get(), size);
    return UnitLog(std::move(path), std::move(file), size, Stamper(std::min(unended, kMaxLine)));
}

void UnitLog::append(std::string_view bytes, std::uint64_t realtime_ns) {
    scratch_.clear();
    stamper_.append(scratch_, bytes, realtime_ns);
    write_stamped();
}

void UnitLog::end_line() {
    scratch_.clear();
    stamper_.end_line(scratch_);
    write_stamped();
}

void UnitLog::write_stamped() {
    if (!ring_empty() && !flush_ring()) {
        keep_in_ring(scratch_);
        return;
    }
    write_out(scratch_);
}

void UnitLog::write_out(std::string_view bytes) {
    const std::size_t written = write_file(bytes);
    feed_followers(bytes.substr(0, written));
    if (written < bytes.size()) keep_in_ring(bytes.substr(written));
}

/// Bytes written; fewer than all only on an error, which is said once until a write succeeds.
std::size_t UnitLog::write_file(std::string_view bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = ::write(file_.get(), bytes.data() + done, bytes.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            if (!failed_) {
                spdlog::warn("{}: {}; keeping the newest {} KiB in memory until it can be written",
                             path_, ::strerrordesc_np(errno), kRingSize / 1024);
            }
            failed_ = true;
            break;
        }
        done += static_cast<std::size_t>(count);
        failed_ = false;
    }
    size_ += done;
    return done;
}

void UnitLog::feed_followers(std::string_view bytes) {
    std::erase_if(followers_, [bytes](const Fd& follower) {
        // A pipe takes all, a part, or nothing. Whoever did not get all is ended: it knows how far
        // it has read and finds the rest in the file.
        const ssize_t count = ::write(follower.get(), bytes.data(), bytes.size());
        return count != static_cast<ssize_t>(bytes.size());
    });
}

void UnitLog::keep_in_ring(std::string_view bytes) {
    ring_ += bytes;
    if (ring_.size() <= kRingSize) return;
    // Drop whole lines, at least a quarter of the ring, so that this is rare.
    std::size_t cut = ring_.find('\n', ring_.size() - kRingSize * 3 / 4);
    cut = cut == std::string::npos ? ring_.size() : cut + 1;
    dropped_ += static_cast<std::uint64_t>(
        std::count(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(cut), '\n'));
    ring_.erase(0, cut);
}

bool UnitLog::flush_ring() {
    if (dropped_ > 0) {
        // The line that was being written when the file failed may be cut off: end it first.
        const std::string note = fmt::format(
            "\njailsvc: {} lines were dropped while the log could not be written\n", dropped_);
        if (write_file(note) < note.size()) return false;
        feed_followers(note);
        dropped_ = 0;
    }
    const std::size_t written = write_file(ring_);
    feed_followers(std::string_view(ring_).substr(0, written));
    ring_.erase(0, written);
    return ring_.empty();
}

Result<UnitLog::Reader> UnitLog::open_reader() const {
    TRY(Fd file, sys::open(path_, O_RDONLY | O_NOFOLLOW));
    return Reader{std::move(file), size_};
}

Result<Fd> UnitLog::add_follower() {
    if (followers_.size() >= kMaxFollowers) {
        return fail_errno(fmt::format("{} readers follow this log already", kMaxFollowers), EBUSY);
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) return fail_errno("pipe");
    Fd reader(ends[0]);
    followers_.emplace_back(ends[1]);
    // The reader blocks in read(2): only our end is non-blocking.
    if (::fcntl(reader.get(), F_SETFL, 0) == -1) return fail_errno("fcntl");
    return reader;
}

}  // namespace jailsvc::logger
