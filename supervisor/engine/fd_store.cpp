#include "engine/fd_store.hpp"

#include <fmt/format.h>
#include <linux/magic.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/sys.hpp"

namespace jailsvc::engine {
namespace {

constexpr const char* kDefaultName = "stored";  // as sd_listen_fds_with_names(3) has it
constexpr char kPolled = 'p';
constexpr char kUnpolled = '-';

/// "anon_inode:[eventfd]" and its like have no type of file.
bool is_harmless_anonymous(int fd) {
    std::array<char, 64> target{};
    const std::string link = fmt::format("/proc/self/fd/{}", fd);
    const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
    const std::string_view name(target.data(),
                                static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return name == "anon_inode:[eventfd]" || name == "anon_inode:[timerfd]";
}

/// close(2) of a socket that lingers waits for its peer (socket(7), SO_LINGER).
bool stop_lingering(int fd) {
    const linger off{};
    return ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off) == 0;
}

/// Whether closing it waits for nothing and nobody: a file's last close may write to a server, a
/// device's does what its driver wants.
bool may_be_kept(int fd) {
    struct stat info{};
    if (::fstat(fd, &info) == -1) return false;
    if (S_ISSOCK(info.st_mode)) return stop_lingering(fd);
    if (S_ISFIFO(info.st_mode)) return true;
    if (!S_ISREG(info.st_mode)) return is_harmless_anonymous(fd);
    struct statfs system{};
    return ::fstatfs(fd, &system) == 0 &&
           (system.f_type == TMPFS_MAGIC || system.f_type == HUGETLBFS_MAGIC);
}

ipc::Key key_of(ipc::Kept kind, const std::string& unit, std::uint16_t index) {
    ipc::Key key{};
    key.kind = kind;
    key.index = index;
    ipc::set_text(key.unit, unit);
    return key;
}

}  // namespace

struct FdStore::Item {
    Item(struct ev_loop* loop, Fd own, std::string called, bool is_polled,
         std::function<void(int)> hung_up)
        : fd(std::move(own)),
          name(std::move(called)),
          polled(is_polled),
          watched(loop, std::move(hung_up)) {}
    Fd fd;
    std::string name;
    bool polled;
    Fd epoll;  ///< tells of its hanging up and of nothing else
    IoWatch watched;
};

FdStore::FdStore(struct ev_loop* loop, Link& keeper) : loop_(loop), keeper_(keeper) {}
FdStore::~FdStore() = default;

std::size_t FdStore::count(std::string_view unit) const {
    const auto found = stores_.find(unit);
    return found == stores_.end() ? 0 : found->second.size();
}

void FdStore::take(const std::string& unit, const NotifyMessage& message, std::vector<Fd> fds,
                   std::size_t most) {
    most = std::min(most, ipc::kMaxFdStore);
    if (message.fd_store_remove) {
        std::vector<std::uint16_t> named;
        for (const auto& [index, item] : stores_[unit]) {
            if (item->name == message.fd_name) named.push_back(index);
        }
        for (const std::uint16_t index : named) drop(unit, index);
        if (!named.empty()) tell_names(unit);
        return;
    }
    Items& items = stores_[unit];
    bool news = false;
    for (Fd& fd : fds) {
        if (items.size() >= most || total_ >= ipc::kMaxFdStores) {
            spdlog::warn("{}: a descriptor is not kept: it has {}; raise file_descriptor_store_max",
                         unit, items.size());
            break;
        }
        if (!may_be_kept(fd.get())) {
            spdlog::warn("{}: a descriptor is not kept: it is no socket, pipe or file in memory",
                         unit);
            continue;
        }
        add(unit, items, message, std::move(fd));
        news = true;
    }
    if (items.empty()) stores_.erase(unit);
    if (news) tell_names(unit);
}

void FdStore::add(const std::string& unit, Items& items, const NotifyMessage& message, Fd fd) {
    std::uint16_t index = 0;
    while (items.contains(index)) ++index;
    auto copy = sys::duplicate(fd.get());
    if (!copy) return spdlog::error("{}: {}", unit, copy.error().message);
    auto store = ipc::make<ipc::Store>();
    static_cast<ipc::Key&>(store) = key_of(ipc::Kept::kFdStore, unit, index);
    std::vector<Fd> sent;
    sent.push_back(std::move(*copy));
    keeper_.send(store, std::move(sent));
    const std::string name = message.fd_name.empty() ? kDefaultName : message.fd_name;
    auto item = std::make_unique<Item>(loop_, std::move(fd), name, message.fd_poll,
                                       [this, unit, index](int) { hung_up(unit, index); });
    watch(*item);
    items.emplace(index, std::move(item));
    ++total_;
}

/// By an epoll of its own, because poll(2) and libev would tell of what can be read too.
void FdStore::watch(Item& item) {
    if (!item.polled) return;
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};  // EPOLLHUP and EPOLLERR are always told (epoll_ctl(2))
    if (!epoll || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, item.fd.get(), &event) == -1) return;
    item.epoll = std::move(epoll);
    item.watched.watch(item.epoll.get(), EV_READ);
}

void FdStore::hung_up(const std::string& given, std::uint16_t index) {
    const std::string unit = given;  // that of the watcher, which goes
    drop(unit, index);
    tell_names(unit);
}

void FdStore::drop(const std::string& unit, std::uint16_t index) {
    const auto found = stores_.find(unit);
    if (found == stores_.end()) return;
    total_ -= found->second.erase(index);
    auto unstore = ipc::make<ipc::Unstore>();
    static_cast<ipc::Key&>(unstore) = key_of(ipc::Kept::kFdStore, unit, index);
    keeper_.send(unstore);
}

/// A line each: number, whether it is polled, name. The jailer passes those that are listed.
void FdStore::tell_names(const std::string& unit) {
    const auto found = stores_.find(unit);
    std::string text;
    if (found != stores_.end()) {
        for (const auto& [index, item] : found->second) {
            text +=
                fmt::format("{} {} {}\n", index, item->polled ? kPolled : kUnpolled, item->name);
        }
        if (found->second.empty()) stores_.erase(found);
    }
    auto memfd = sys::sealed_memfd("names", text);
    if (!memfd) return spdlog::error("{}: {}", unit, memfd.error().message);
    auto store = ipc::make<ipc::Store>();
    static_cast<ipc::Key&>(store) = key_of(ipc::Kept::kFdNames, unit, 0);
    std::vector<Fd> sent;
    sent.push_back(std::move(*memfd));
    keeper_.send(store, std::move(sent));
}

void FdStore::restore(const std::string& unit, std::uint16_t index, Fd fd) {
    if (index >= ipc::kMaxFdStore) return;
    Items& items = stores_[unit];
    const bool fresh = !items.contains(index);
    items.insert_or_assign(
        index, std::make_unique<Item>(loop_, std::move(fd), kDefaultName, false,
                                      [this, unit, index](int) { hung_up(unit, index); }));
    if (fresh) ++total_;
}

void FdStore::restore_names(const std::string& unit, std::string text) {
    restored_names_.insert_or_assign(unit, std::move(text));
}

void FdStore::begin() {
    for (const auto& [unit, text] : std::exchange(restored_names_, {})) name(unit, text);
}

void FdStore::name(const std::string& unit, std::string_view text) {
    const auto found = stores_.find(unit);
    if (found == stores_.end()) return;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        std::uint16_t index = 0;
        const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), index);
        const auto item = found->second.find(index);
        const auto at = static_cast<std::size_t>(end - line.data());
        if (code != std::errc() || item == found->second.end() || line.size() < at + 4) continue;
        item->second->polled = line[at + 1] == kPolled;
        item->second->name = line.substr(at + 3);
        watch(*item->second);
    }
}

void FdStore::release_resting(const service::Manager& manager) {
    std::vector<std::string> resting;
    for (const auto& [unit, items] : stores_) {
        const auto status = manager.status(unit);
        const bool rests = !status || ((status->record.state == service::State::kInactive ||
                                        status->record.state == service::State::kFailed) &&
                                       status->record.want == service::Want::kNothing);
        if (rests) resting.push_back(unit);
    }
    for (const std::string& unit : resting) {
        while (count(unit) > 0) drop(unit, stores_.find(unit)->second.begin()->first);
        tell_names(unit);
    }
}

}  // namespace jailsvc::engine
