#include "logger/loop.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace jailsvc::logger {
namespace {

constexpr double kRetrySeconds = 1.0;  ///< while a log file cannot be written
constexpr int kPacketsPerWake = 64;    ///< so that a talkative peer does not starve the pipes

/// Unit names become file names: the keeper passes on what the jailer said, checked again here.
bool is_file_name(std::string_view unit) {
    return !unit.empty() && unit.front() != '.' && unit.find('/') == std::string_view::npos;
}

}  // namespace

Loop::Loop(std::string directory, Drain drain)
    : base_(ev_default_loop(EVFLAG_AUTO)),
      directory_(std::move(directory)),
      drain_(std::move(drain)),
      keeper_(ipc::kKeeperFd) {
    ev_set_userdata(base_, this);
    ev_io_init(&keeper_watcher_, on_keeper, keeper_.get(), EV_READ);
    keeper_watcher_.data = this;
    ev_io_start(base_, &keeper_watcher_);
    ev_init(&engine_watcher_, on_engine);
    // Before the pipes: that a run has ended is said before the next one can write.
    ev_set_priority(&engine_watcher_, EV_MAXPRI);
    engine_watcher_.data = this;
    ev_init(&retry_, on_retry);
    retry_.repeat = kRetrySeconds;
    retry_.data = this;
}

Loop::~Loop() {
    ev_io_stop(base_, &keeper_watcher_);
    ev_io_stop(base_, &engine_watcher_);
    ev_timer_stop(base_, &retry_);
    for (const auto& source : sources_) ev_io_stop(base_, &source->watcher);
}

Result<std::unique_ptr<Loop>> Loop::make(std::string directory) {
    TRY(Drain drain, Drain::make());
    auto hello = ipc::make<ipc::Hello>();
    hello.role = ipc::Role::kLogger;
    if (const int code = ipc::send(ipc::kKeeperFd, hello); code != 0) {
        return fail_errno("greet the keeper", code);
    }
    return std::unique_ptr<Loop>(new Loop(std::move(directory), std::move(drain)));
}

int Loop::run() {
    ev_run(base_, 0);
    drain_everything();
    return 0;
}

void Loop::on_keeper(struct ev_loop* base, ev_io* watcher, int /*events*/) noexcept {
    auto* self = static_cast<Loop*>(watcher->data);
    ipc::Packet packet;
    for (int i = 0; i < kPacketsPerWake; ++i) {
        const int code = ipc::receive(watcher->fd, packet);
        if (code == EAGAIN) return;
        if (code == EBADMSG) continue;
        if (code != 0) {
            ev_break(base, EVBREAK_ALL);
            return;
        }
        self->from_keeper(packet);
    }
}

void Loop::from_keeper(ipc::Packet& packet) {
    if (const auto* peer = packet.as<ipc::Peer>()) {
        if (peer->peer == ipc::Role::kEngine) set_engine(Fd(packet.take_fd(0)));
    } else if (const auto* stored = packet.as<ipc::Stored>()) {
        if (stored->kind != ipc::Kept::kLogPipe) return;
        add_pipe(ipc::get_text(stored->unit), Fd(packet.take_fd(0)));
    }
}

void Loop::set_engine(Fd channel) {
    ev_io_stop(base_, &engine_watcher_);
    engine_ = std::move(channel);
    if (!engine_) return;
    ev_io_set(&engine_watcher_, engine_.get(), EV_READ);
    ev_io_start(base_, &engine_watcher_);
}

void Loop::add_pipe(std::string_view unit, Fd pipe) {
    if (!pipe || !is_file_name(unit)) {
        spdlog::warn("logger: refused a pipe for unit \"{}\"", unit);
        return;
    }
    // Reads must never wait: the pipe's other end belongs to a service.
    if (::fcntl(pipe.get(), F_SETFL, O_NONBLOCK) == -1) return;
    if (Source* known = find(unit)) {
        // A new pipe takes the old one's place: first what the old one still holds.
        pump(*known);
        remove_source(unit);
    }
    auto source = std::make_unique<Source>();
    source->unit = unit;
    source->pipe = std::move(pipe);
    ev_io_init(&source->watcher, on_pipe, source->pipe.get(), EV_READ);
    source->watcher.data = source.get();
    ev_io_start(base_, &source->watcher);
    sources_.insert(place_of(unit), std::move(source));
}

Loop::Sources::iterator Loop::place_of(std::string_view unit) {
    const auto name = [](const auto& source) -> std::string_view { return source->unit; };
    return std::ranges::lower_bound(sources_, unit, {}, name);
}

Loop::Source* Loop::find(std::string_view unit) {
    const auto at = place_of(unit);
    return at != sources_.end() && (*at)->unit == unit ? at->get() : nullptr;
}

void Loop::remove_source(std::string_view unit) {
    Source* source = find(unit);
    if (source == nullptr) return;
    ev_io_stop(base_, &source->watcher);
    sources_.erase(place_of(unit));
}

Result<UnitLog*> Loop::log_of(const std::string& unit) {
    const auto found = logs_.find(unit);
    if (found != logs_.end()) return &found->second;
    TRY(UnitLog log, UnitLog::open(directory_, unit));
    return &logs_.emplace(unit, std::move(log)).first->second;
}

void Loop::on_pipe(struct ev_loop* base, ev_io* watcher, int /*events*/) noexcept {
    auto* source = static_cast<Source*>(watcher->data);
    auto* self = static_cast<Loop*>(ev_userdata(base));
    const std::string unit = source->unit;
    const auto log = self->log_of(unit);
    if (!log) {
        // The bytes stay in the pipe until the file can be opened.
        spdlog::error("{}: no log: {}; trying again", unit, log.error().message);
        ev_io_stop(base, watcher);
        ev_timer_again(base, &self->retry_);
        return;
    }
    const auto outcome = self->drain_.move_block(source->pipe.get(), **log);
    if (!outcome) spdlog::error("{}: log: {}", unit, outcome.error().message);
    if (!outcome || *outcome == Drain::Outcome::kEnd) self->remove_source(unit);
    if (!(*log)->ring_empty()) ev_timer_again(base, &self->retry_);
}

/// Moves what the pipe holds now, and no more than a pipe can hold, should its writer be fast.
void Loop::pump(Source& source) {
    constexpr int kMaxBlocks = 16;
    const auto log = log_of(source.unit);
    if (!log) return;
    for (int i = 0; i < kMaxBlocks; ++i) {
        const auto outcome = drain_.move_block(source.pipe.get(), **log);
        if (!outcome || *outcome != Drain::Outcome::kMoved) return;
    }
}

void Loop::drain_everything() {
    for (const auto& source : sources_) pump(*source);
}

void Loop::on_retry(struct ev_loop* base, ev_timer* watcher, int /*events*/) noexcept {
    auto* self = static_cast<Loop*>(watcher->data);
    bool left = false;
    for (auto& [unit, log] : self->logs_) {
        if (!log.ring_empty() && !log.flush_ring()) left = true;
    }
    for (const auto& source : self->sources_) {
        if (ev_is_active(&source->watcher)) continue;
        if (self->log_of(source->unit)) {
            ev_io_start(base, &source->watcher);
        } else {
            left = true;
        }
    }
    if (!left) ev_timer_stop(base, watcher);
}

void Loop::on_engine(struct ev_loop* /*base*/, ev_io* watcher, int /*events*/) noexcept {
    auto* self = static_cast<Loop*>(watcher->data);
    ipc::Packet packet;
    for (int i = 0; i < kPacketsPerWake; ++i) {
        const int code = ipc::receive(watcher->fd, packet);
        if (code == EAGAIN) return;
        if (code == EBADMSG) continue;
        if (code != 0) {
            self->set_engine(Fd());  // the keeper hands over a new one
            return;
        }
        self->from_engine(packet);
    }
}

void Loop::from_engine(const ipc::Packet& packet) {
    if (const auto* request = packet.as<ipc::LogOpen>()) {
        answer_open(*request);
    } else if (const auto* ended = packet.as<ipc::LogRunEnded>()) {
        end_line_of(std::string(ipc::get_text(ended->unit)));
    }
}

void Loop::end_line_of(const std::string& unit) {
    Source* source = find(unit);
    if (source == nullptr) return;
    pump(*source);  // what it wrote last
    const auto log = logs_.find(unit);
    if (log != logs_.end()) log->second.end_line();
}

void Loop::answer_open(const ipc::LogOpen& request) {
    auto reply = ipc::make<ipc::LogOpened>();
    reply.serial = request.serial;
    const std::string unit(ipc::get_text(request.unit));
    int fds[2] = {-1, -1};
    std::size_t fd_count = 0;
    UnitLog::Reader reader;
    Fd follower;
    const auto open = [&]() -> Result<void> {
        if (!is_file_name(unit)) return fail_errno("unit name", EINVAL);
        // What was written before the question.
        if (Source* source = find(unit)) pump(*source);
        TRY(UnitLog * log, log_of(unit));
        TRY(reader, log->open_reader());
        fds[fd_count++] = reader.file.get();
        if (request.follow != 0) {
            TRY(follower, log->add_follower());
            fds[fd_count++] = follower.get();
        }
        return {};
    };
    if (const auto opened = open(); opened) {
        reply.size = reader.size;
    } else {
        reply.code = opened.error().code != 0 ? opened.error().code : EIO;
        fd_count = 0;
    }
    // A full queue means an engine that does not read its answers: it asks again or is replaced.
    (void)ipc::send(engine_.get(), reply, fds, fd_count);
}

}  // namespace jailsvc::logger
