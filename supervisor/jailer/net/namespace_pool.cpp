#include "jailer/net/namespace_pool.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "jailer/child/child_netns.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kStack = 16384;  ///< [bytes] of make_namespaces
constexpr std::size_t kFew = 2;
constexpr double kSoon = 0.01;  ///< [s]: by then a start is through

}  // namespace

/// The process that makes them. It shares our memory and descriptors; what it has made is ours.
struct NamespacePool::Maker {
    NamespaceJob job{};
    std::uint32_t collected = 0;  ///< of job.namespaces
    Fd pidfd;
    alignas(16) std::array<std::byte, kStack> stack;

    Maker() = default;
    Maker(const Maker&) = delete;
    Maker& operator=(const Maker&) = delete;
    ~Maker() { wait(); }

    /// It works on our stack and memory: they stay until it has ended, which takes milliseconds.
    void wait() {
        if (!pidfd) return;
        siginfo_t info{};
        const auto id = static_cast<id_t>(pidfd.get());
        while (::waitid(P_PIDFD, id, &info, WEXITED | __WALL) == -1 && errno == EINTR) {
        }
        pidfd = Fd();
    }
};

NamespacePool::NamespacePool(struct ev_loop* loop, Loopback loopback)
    : loopback_(loopback), watch_(loop), soon_(loop) {}
NamespacePool::~NamespacePool() {
    if (!maker_) return;
    maker_->wait();
    collect();  // to be closed
}

Fd NamespacePool::take() {
    if (maker_) collect();
    if (ready_.empty()) return {};
    Fd taken = std::move(ready_.back());
    ready_.pop_back();
    return taken;
}

std::size_t NamespacePool::ready() const {
    const std::size_t made = maker_ ? maker_->job.made.load(std::memory_order_acquire) : 0;
    return ready_.size() + made - (maker_ ? maker_->collected : 0);
}

void NamespacePool::fill() {
    if (ready_.size() <= kFew) return begin();
    soon_.start(kSoon, [this] { begin(); });
}

void NamespacePool::begin() {
    soon_.stop();
    if (maker_ || ready_.size() >= kReady) return;
    auto maker = std::make_unique<Maker>();
    maker->job.wanted =
        static_cast<std::uint32_t>(std::min<std::size_t>(kReady - ready_.size(), kMostNamespaces));
    maker->job.loopback = loopback_ == Loopback::kUp;
    int pidfd = -1;
    // No termination signal: it is waited for by its pidfd and by nothing else.
    const int pid = ::clone(make_namespaces, maker->stack.data() + maker->stack.size(),
                            CLONE_VM | CLONE_FILES | CLONE_PIDFD, &maker->job, &pidfd);
    if (pid == -1) {
        return spdlog::warn("network namespaces are made as they are needed: {}",
                            std::strerror(errno));
    }
    maker->pidfd = Fd(pidfd);
    maker_ = std::move(maker);
    watch_.start(pidfd, EV_READ, [this] { ended(); });
}

/// Takes over what the maker has made so far.
void NamespacePool::collect() {
    const std::uint32_t made = maker_->job.made.load(std::memory_order_acquire);
    while (maker_->collected < made) {
        ready_.emplace_back(maker_->job.namespaces[maker_->collected++]);
    }
}

void NamespacePool::ended() {
    watch_.stop();
    collect();
    const auto maker = std::move(maker_);
    if (maker->job.code == 0) return fill();  // for those taken meanwhile
    spdlog::warn("network namespaces are made as they are needed: {}",
                 std::strerror(maker->job.code));
}

}  // namespace jailsvc::jailer
