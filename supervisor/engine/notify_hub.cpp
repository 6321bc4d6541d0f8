#include "engine/notify_hub.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/clock.hpp"

namespace jailsvc::engine {
namespace {

constexpr int kPerTurn = 16;  ///< messages of one unit before others have their turn
/// net.unix.max_dgram_qlen is 10 by default, 512 at most on usual machines.
constexpr int kMostQueued = 1024;
// More than a service has to say; a burst may be long.
constexpr double kBurst = 1000;  ///< messages
constexpr double kRate = 500;    ///< messages/s
constexpr double kPause = 0.1;   ///< [s]
constexpr double kSecond = 1e9;  ///< [ns]

}  // namespace

struct NotifyHub::Channel {
    Channel(struct ev_loop* loop, Fd own, std::function<void(int)> readable,
            std::function<void()> resumed)
        : fd(std::move(own)), watch(loop, std::move(readable)), pause(loop, std::move(resumed)) {}

    /// Whether one more may be read now; refilled as time goes by.
    bool may_read() {
        const std::uint64_t now = boottime_ns();
        const double passed = static_cast<double>(now - refilled_ns) / kSecond;
        left = std::min(kBurst, left + passed * kRate);
        refilled_ns = now;
        if (left < 1) return false;
        left -= 1;
        return true;
    }

    Fd fd;
    IoWatch watch;
    TimerWatch pause;
    double left = kBurst;
    std::uint64_t refilled_ns = boottime_ns();
};

NotifyHub::NotifyHub(struct ev_loop* loop, Handlers handlers)
    : loop_(loop), handlers_(std::move(handlers)) {}
NotifyHub::~NotifyHub() = default;

void NotifyHub::add(const std::string& unit, ipc::NotifyKind kind, Fd fd) {
    const Key key(unit, kind);
    const auto resume = [this, key] {
        const auto& channel = channels_.at(key);
        channel->watch.watch(channel->fd.get(), EV_READ);
    };
    auto channel = std::make_shared<Channel>(
        loop_, std::move(fd), [this, key](int) { readable(key); }, resume);
    if (begun_) channel->watch.watch(channel->fd.get(), EV_READ);
    channels_.insert_or_assign(key, std::move(channel));
}

void NotifyHub::begin() {
    begun_ = true;
    for (const auto& [key, channel] : channels_) channel->watch.watch(channel->fd.get(), EV_READ);
}

void NotifyHub::readable(const Key& given) {
    const Key key = given;  // that of the watcher, which may go
    for (int i = 0; i < kPerTurn; ++i) {
        const auto found = channels_.find(key);
        if (found == channels_.end()) return;
        if (!found->second->may_read()) {
            found->second->watch.stop();
            return found->second->pause.start(kPause);
        }
        if (!read_one(key)) return;
    }
}

/// Whether there was something, and there may be more.
bool NotifyHub::read_one(const Key& key) {
    if (key.second == ipc::NotifyKind::kNewline) return read_newline(key);
    auto datagram = receive_notify(channels_.at(key)->fd.get());
    if (!datagram) return false;
    handlers_.datagram(key.first, std::move(*datagram), key.second == ipc::NotifyKind::kOpen);
    return true;
}

/// A pipe has said everything with its first newline, or by its end.
bool NotifyHub::read_newline(const Key& key) {
    std::array<char, 512> bytes;
    const ssize_t size = ::read(channels_.at(key)->fd.get(), bytes.data(), bytes.size());
    if (size < 0) return errno == EINTR;
    const auto end = bytes.begin() + size;
    const bool newline = std::find(bytes.begin(), end, '\n') != end;
    if (size == 0 || newline) channels_.erase(key);
    if (newline) handlers_.newline(key.first);
    return size > 0 && !newline;
}

void NotifyHub::drain(const std::string& unit) {
    read_queued(unit, false);
}

/// Its rate holds, or who asks for a watchdog of microseconds could keep us reading for ever.
void NotifyHub::hear(const std::string& unit) {
    read_queued(unit, true);
}

void NotifyHub::read_queued(const std::string& unit, bool sparing) {
    for (std::uint16_t kind = 0; kind < ipc::kNotifyKinds; ++kind) {
        const Key key(unit, static_cast<ipc::NotifyKind>(kind));
        for (int i = 0; i < kMostQueued; ++i) {
            const auto found = channels_.find(key);
            if (found == channels_.end()) break;
            if (sparing && !found->second->may_read()) break;
            if (!read_one(key)) break;
        }
    }
}

void NotifyHub::forget(const std::string& unit) {
    std::erase_if(channels_, [&](const auto& item) { return item.first.first == unit; });
}

}  // namespace jailsvc::engine
