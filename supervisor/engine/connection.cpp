#include "engine/connection.hpp"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <utility>

namespace jailsvc::engine {
namespace {

constexpr std::size_t kReadSize = 64U << 10;
/// Of a stream that wait to be read [bytes]; some thousand events.
constexpr std::size_t kMaxUnread = 512U << 10;

}  // namespace

Connection::Connection(struct ev_loop* loop, Turns& turns, Fd socket, const Caller& caller,
                       OnCall on_call, OnClosed on_closed, Patience patience)
    : loop_(loop),
      turns_(turns),
      socket_(std::move(socket)),
      caller_(caller),
      on_call_(std::move(on_call)),
      on_closed_(std::move(on_closed)),
      io_(loop, [this](int events) { on_event(events); }),
      limits_(patience),
      patience_(loop, [this] { close(); }),
      idle_(loop, [this] { close(); }),
      last_active_(ev_now(loop)) {}

void Connection::open() {
    idle_.start(limits_.idle);
    watch();
}

void Connection::on_event(int events) {
    const auto self = shared_from_this();  // a call may end in close()
    if ((events & EV_WRITE) != 0 && flush()) go_on();
    if ((events & EV_READ) != 0 && socket_) read_some();
}

void Connection::read_some() {
    auto chunk = control::receive_some(socket_.get(), kReadSize, false);
    if (!chunk) {
        if (chunk.error().code != EAGAIN) close();
        return;
    }
    if (chunk->bytes.empty()) {
        ended_ = true;
        // Who waits for a result is not there any more, or has only shut down its sending half;
        // a hook (exec) takes the end of file for the end.
        if (hangup_) return close();
    } else if (const auto kept = input_.push(chunk->bytes, std::move(chunk->fds)); !kept) {
        spdlog::warn("control: client of uid {} sent {}; closed", caller_.uid,
                     kept.error().message);
        return close();
    }
    go_on();
}

/// Whether the next call may be answered now.
bool Connection::can_call() const {
    return socket_ && !calling_ && output_.empty() && input_.has_frame();
}

/// Answers the next call. Whether there is one more.
bool Connection::take_turn() {
    const auto self = shared_from_this();
    processing_ = true;
    if (can_call()) handle(*input_.next());
    processing_ = false;
    waiting_ = can_call();
    go_on();
    return waiting_;
}

/// Waits for what comes next: a turn, the rest of a call, or that the client reads.
void Connection::go_on() {
    if (processing_ || !socket_) return;
    const bool settled = !calling_ && output_.empty();
    if (can_call()) {
        idle_.stop();
        if (!std::exchange(waiting_, true)) turns_.wait(caller_.uid, *this);
    } else if (settled && ended_) {
        return close();
    } else if (settled && !idle_.running()) {
        // Half a call is none: its bytes do not make the time begin anew.
        idle_.start(limits_.idle);
    }
    watch();
}

void Connection::handle(control::Frame frame) {
    const auto call = control::decode_call(frame.bytes);
    if (!call) {
        spdlog::warn("control: client of uid {} sent no call: {}; closed", caller_.uid,
                     call.error().message);
        return close();
    }
    calling_ = true;
    last_active_ = ev_now(loop_);
    idle_.stop();
    oneway_ = call->oneway;
    more_ = call->more;
    on_call_(*call, std::move(frame.fds), caller_, weak_from_this());
}

void Connection::reply(control::Reply reply, std::vector<Fd> fds) {
    if (!socket_ || !calling_) return;
    const auto self = shared_from_this();
    calling_ = false;
    hangup_ = nullptr;
    if (!oneway_) {
        output_.push_back({control::encode(reply), 0, std::move(fds)});
        if (!flush()) return;
    }
    go_on();
}

bool Connection::tell(const control::Reply& reply) {
    if (!socket_ || !calling_ || oneway_ || !more_ || unread() > kMaxUnread) return false;
    const auto self = shared_from_this();
    output_.push_back({control::encode(reply), 0, {}});
    (void)flush();  // what is left goes when there is room
    return static_cast<bool>(socket_);
}

std::size_t Connection::unread() const {
    std::size_t bytes = 0;
    for (const Outgoing& one : output_) bytes += one.bytes.size() - one.sent;
    return bytes;
}

/// Sends what fits. False: something is left, or the client is gone.
bool Connection::flush() {
    while (!output_.empty()) {
        Outgoing& first = output_.front();
        std::vector<int> fds;
        for (const Fd& fd : first.fds) fds.push_back(fd.get());
        const auto count = control::send_some(
            socket_.get(), std::string_view(first.bytes).substr(first.sent), fds, false);
        if (!count && count.error().code != EAGAIN) {
            close();
            return false;
        }
        if (!count) {
            if (!patience_.running()) patience_.start(limits_.unread);
            watch();
            return false;
        }
        first.fds.clear();  // they went with the first byte
        first.sent += *count;
        patience_.stop();
        if (first.sent == first.bytes.size()) output_.pop_front();
    }
    return true;
}

void Connection::watch() {
    int events = 0;
    if (!output_.empty()) events |= EV_WRITE;
    // One buffer of calls ahead is enough; the rest stays in the kernel. End of file is readable
    // for ever, so it is looked at once.
    if (!ended_ && input_.buffered() <= control::kMaxFrame) events |= EV_READ;
    if (events == 0) return io_.stop();
    io_.watch(socket_.get(), events);
}

void Connection::close() {
    if (!socket_) return;
    const auto self = shared_from_this();
    io_.stop();
    patience_.stop();
    idle_.stop();
    if (std::exchange(waiting_, false)) turns_.forget(caller_.uid, *this);
    socket_ = Fd();
    output_.clear();
    if (const auto hook = std::exchange(hangup_, nullptr)) hook();
    on_closed_(*this);
}

}  // namespace jailsvc::engine
