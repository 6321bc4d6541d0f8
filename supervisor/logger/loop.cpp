#include "logger/loop.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "base/idle_memory.hpp"
#include "base/sys.hpp"
#include "logger/archive.hpp"

namespace jailsvc::logger {
namespace {

constexpr double kRetrySeconds = 1.0;  ///< while a log file cannot be written
constexpr int kPacketsPerWake = 64;    ///< so that a talkative peer does not starve the pipes

/// Unit names become file names: the keeper passes on what the jailer said, checked again here.
bool is_file_name(std::string_view unit) {
    return !unit.empty() && unit.front() != '.' && unit.find('/') == std::string_view::npos;
}

/// Those that wait, a turn's worth; false: the other end is gone.
template <typename Take>
bool take_packets(int fd, const Take& take) {
    ipc::Packet packet;
    for (int i = 0; i < kPacketsPerWake; ++i) {
        const int code = ipc::receive(fd, packet);
        if (code == EAGAIN) return true;
        if (code == EBADMSG) continue;
        if (code != 0) return false;
        take(packet);
    }
    return true;
}

}  // namespace

Loop::Loop(std::string directory, Drain drain)
    : base_(ev_default_loop(EVFLAG_AUTO)),
      shared_(std::move(directory)),
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
    shared_.disk.lock();
}

Loop::~Loop() {
    ev_io_stop(base_, &keeper_watcher_);
    ev_io_stop(base_, &engine_watcher_);
    ev_timer_stop(base_, &retry_);
    for (const auto& unit : units_) {
        for (const auto& source : unit->pipes) {
            if (source) ev_io_stop(base_, &source->watcher);
        }
    }
    for (const auto& watcher : room_) ev_io_stop(base_, watcher.get());
    shared_.disk.unlock();
    rescue_.reset();  // may wait for the lock
}

Result<std::unique_ptr<Loop>> Loop::make(std::string directory, Outlets outlets) {
    TRY(Drain drain, Drain::make());
    auto hello = ipc::make<ipc::Hello>();
    hello.role = ipc::Role::kLogger;
    if (const int code = ipc::send(ipc::kKeeperFd, hello); code != 0) {
        return fail_errno("greet the keeper", code);
    }
    auto loop = std::unique_ptr<Loop>(new Loop(std::move(directory), std::move(drain)));
    TRY(std::string boot, sys::read_file("/proc/sys/kernel/random/boot_id"));
    std::erase_if(boot, [](char c) { return c == '-' || c == '\n'; });
    loop->shared_.boot = std::move(boot);
    loop->shared_.outlets = std::move(outlets);
    loop->watch_outlets();
    return loop;
}

void Loop::watch_outlets() {
    shared_.outlets.for_each([this](Outlet& outlet) {
        if (outlet.fd() < 0) return;
        auto watcher = std::make_unique<ev_io>();
        ev_io_init(watcher.get(), on_room, outlet.fd(), EV_WRITE);
        watcher->data = &outlet;
        room_.push_back(std::move(watcher));
    });
}

int Loop::run() {
    if (auto rescue = Rescue::start(shared_.disk, [this] { sweep(); }); rescue) {
        rescue_ = std::move(*rescue);
    } else {
        spdlog::warn("logger: {}; a disk that hangs will keep services waiting",
                     rescue.error().message);
    }
    give_back_memory();
    ev_run(base_, 0);
    for (const auto& unit : units_) pump(*unit);
    return 0;
}

/// In the other thread, while we wait for a disk: it has our lock.
void Loop::sweep() {
    constexpr int kMaxBlocks = 16;
    const Moment now = Moment::now();
    for (const auto& unit : units_) {
        if (unit->log.busy()) continue;
        for (const auto& source : unit->pipes) {
            if (!source) continue;
            const auto keep = [&](std::string_view bytes) {
                unit->keep(shared_, source->stream, bytes, now);
            };
            for (int i = 0; i < kMaxBlocks; ++i) {
                const auto outcome = drain_.take_now(source->pipe.get(), keep);
                if (!outcome || *outcome != Drain::Outcome::kMoved) break;
            }
        }
    }
    swept_ = true;
}

void Loop::on_keeper(struct ev_loop* base, ev_io* watcher, int /*events*/) noexcept {
    auto* self = static_cast<Loop*>(watcher->data);
    const auto take = [self](ipc::Packet& packet) { self->from_keeper(packet); };
    if (!take_packets(watcher->fd, take)) ev_break(base, EVBREAK_ALL);
}

void Loop::from_keeper(ipc::Packet& packet) {
    if (const auto* peer = packet.as<ipc::Peer>()) {
        if (peer->peer == ipc::Role::kEngine) set_engine(Fd(packet.take_fd(0)));
    } else if (const auto* stored = packet.as<ipc::Stored>()) {
        const std::string_view unit = ipc::get_text(stored->unit);
        Fd fd(packet.take_fd(0));
        if (!fd || !is_file_name(unit)) {
            spdlog::warn("logger: refused a descriptor for unit \"{}\"", unit);
        } else if (stored->kind == ipc::Kept::kLogSettings) {
            take_settings(unit, fd);
        } else if (stored->kind == ipc::Kept::kLogPipe && stored->index < ipc::kLogStreams) {
            add_pipe(unit, static_cast<ipc::LogStream>(stored->index), std::move(fd));
        }
    } else if (packet.as<ipc::SnapshotEnd>() != nullptr) {
        start_reading();
    }
}

void Loop::set_engine(Fd channel) {
    ev_io_stop(base_, &engine_watcher_);
    engine_ = std::move(channel);
    if (!engine_) return;
    ev_io_set(&engine_watcher_, engine_.get(), EV_READ);
    ev_io_start(base_, &engine_watcher_);
}

void Loop::take_settings(std::string_view unit, const Fd& memfd) {
    ipc::LogSettings settings;
    const auto bytes = sys::read_memfd(memfd.get(), sizeof settings);
    if (!bytes || bytes->size() != sizeof settings) {
        return spdlog::error("{}: the settings of its log cannot be read", unit);
    }
    std::memcpy(&settings, bytes->data(), sizeof settings);
    find_or_add(unit).set(settings);
    if (settings.passing != 0) mark_passing(shared_.directory, unit);
}

/// Jobs of a supervisor before this one left memory with it.
void Loop::remove_logs_left() {
    for (const std::string& unit : list_passing(shared_.directory)) {
        const UnitOutput* output = find(unit);
        if (output == nullptr || !output->passing()) remove_logs_of(shared_.directory, unit);
    }
}

void Loop::add_pipe(std::string_view unit, ipc::LogStream stream, Fd pipe) {
    // Reads must never wait: the pipe's other end belongs to a service.
    if (::fcntl(pipe.get(), F_SETFL, O_NONBLOCK) == -1) return;
    UnitOutput& output = find_or_add(unit);
    auto& place = output.pipes[std::to_underlying(stream)];
    if (place) {
        // A new pipe takes the old one's place: first what the old one still holds.
        pump(*place);
        ev_io_stop(base_, &place->watcher);
    }
    place = std::make_unique<Source>();
    place->unit = &output;
    place->stream = stream;
    place->pipe = std::move(pipe);
    ev_io_init(&place->watcher, on_pipe, place->pipe.get(), EV_READ);
    place->watcher.data = place.get();
    if (complete_) ev_io_start(base_, &place->watcher);
}

void Loop::start_reading() {
    complete_ = true;
    remove_logs_left();
    for (const auto& unit : units_) {
        for (const auto& source : unit->pipes) {
            if (source) ev_io_start(base_, &source->watcher);
        }
    }
}

Loop::Units::iterator Loop::place_of(std::string_view unit) {
    const auto name = [](const auto& output) -> std::string_view { return output->log.unit(); };
    return std::ranges::lower_bound(units_, unit, {}, name);
}

UnitOutput* Loop::find(std::string_view unit) {
    const auto at = place_of(unit);
    return at != units_.end() && (*at)->log.unit() == unit ? at->get() : nullptr;
}

UnitOutput& Loop::find_or_add(std::string_view unit) {
    if (UnitOutput* known = find(unit)) return *known;
    return **units_.insert(place_of(unit), std::make_unique<UnitOutput>(std::string(unit)));
}

void Loop::end_source(Source& source) {
    UnitOutput& unit = *source.unit;
    ev_io_stop(base_, &source.watcher);
    unit.pipes[std::to_underlying(source.stream)].reset();
    forget_if_idle(unit.log.unit());
}

void Loop::forget_if_idle(const std::string& unit) {
    const auto at = place_of(unit);
    if (at == units_.end() || (*at)->log.unit() != unit) return;
    const bool used =
        std::ranges::any_of((*at)->pipes, [](const auto& pipe) { return pipe != nullptr; });
    if (!used && (*at)->may_be_forgotten()) units_.erase(at);
}

Result<Drain::Outcome> Loop::move_block(Source& source) {
    auto outcome = drain_.move_block(source.pipe.get(), [&](std::string_view bytes) {
        source.unit->take(shared_, source.stream, bytes, Moment::now());
    });
    if (!outcome) {
        spdlog::error("{}: log: {}", source.unit->log.unit(), outcome.error().message);
    }
    see_to_waiting(*source.unit);
    return outcome;
}

/// After something was written: what could not be is tried again later.
void Loop::see_to_waiting(const UnitOutput& unit) {
    if (unit.has_waiting() || std::exchange(swept_, false)) {
        if (!ev_is_active(&retry_)) ev_timer_again(base_, &retry_);
    }
    for (const auto& watcher : room_) {
        const auto* outlet = static_cast<const Outlet*>(watcher->data);
        if (!outlet->waits() || ev_is_active(watcher.get())) continue;
        if (outlet->tells_room()) {
            ev_io_start(base_, watcher.get());
        } else if (!ev_is_active(&retry_)) {
            ev_timer_again(base_, &retry_);
        }
    }
}

void Loop::on_room(struct ev_loop* base, ev_io* watcher, int /*events*/) noexcept {
    auto* self = static_cast<Loop*>(ev_userdata(base));
    auto* outlet = static_cast<Outlet*>(watcher->data);
    const bool done = outlet->flush();
    if (done || !outlet->tells_room()) ev_io_stop(base, watcher);
    if (!done && !ev_is_active(&self->retry_)) ev_timer_again(base, &self->retry_);
}

void Loop::on_pipe(struct ev_loop* base, ev_io* watcher, int /*events*/) noexcept {
    auto* source = static_cast<Source*>(watcher->data);
    auto* self = static_cast<Loop*>(ev_userdata(base));
    const auto outcome = self->move_block(*source);
    if (!outcome || *outcome == Drain::Outcome::kEnd) self->end_source(*source);
}

/// Moves what the pipe holds now, and no more than a pipe can hold, should its writer be fast.
void Loop::pump(Source& source) {
    constexpr int kMaxBlocks = 16;
    for (int i = 0; i < kMaxBlocks; ++i) {
        const auto outcome = move_block(source);
        if (!outcome || *outcome != Drain::Outcome::kMoved) return;
    }
}

void Loop::pump(UnitOutput& unit) {
    for (const auto& source : unit.pipes) {
        if (source) pump(*source);
    }
}

void Loop::on_retry(struct ev_loop* base, ev_timer* watcher, int /*events*/) noexcept {
    auto* self = static_cast<Loop*>(watcher->data);
    std::vector<std::string> done;
    bool left = !self->shared_.outlets.flush();
    for (const auto& unit : self->units_) {
        if (!unit->has_waiting()) continue;
        if (unit->retry(self->shared_)) {
            done.push_back(unit->log.unit());
        } else {
            left = true;
        }
    }
    for (const auto& unit : done) self->forget_if_idle(unit);
    if (!left) ev_timer_stop(base, watcher);
}

void Loop::on_engine(struct ev_loop* /*base*/, ev_io* watcher, int /*events*/) noexcept {
    auto* self = static_cast<Loop*>(watcher->data);
    const auto take = [self](ipc::Packet& packet) { self->from_engine(packet); };
    if (!take_packets(watcher->fd, take))
        self->set_engine(Fd());  // the keeper hands over a new one
}

void Loop::from_engine(const ipc::Packet& packet) {
    if (const auto* request = packet.as<ipc::LogOpen>()) {
        answer_open(*request);
    } else if (const auto* ended = packet.as<ipc::LogRunEnded>()) {
        end_run_of(*ended);
    } else if (const auto* removed = packet.as<ipc::LogRemove>()) {
        remove_log(ipc::get_text(removed->unit));
    }
}

void Loop::end_run_of(const ipc::LogRunEnded& ended) {
    const std::string_view unit = ipc::get_text(ended.unit);
    auto over = ipc::make<ipc::LogRunOver>();
    ipc::set_text(over.unit, unit);
    if (UnitOutput* output = find(unit); output != nullptr) {
        pump(*output);  // what it wrote last
        if (ended.over == 0) return output->end_run(shared_);
        over.dropped = output->close_run(shared_);
    }
    // An engine that does not read its answers asks again, or is replaced.
    if (ended.over != 0) (void)ipc::send(engine_.get(), over, nullptr, 0);
}

/// Of units that go with their logs; the jailer has said which those are.
void Loop::remove_log(std::string_view unit) {
    UnitOutput* output = find(unit);
    if (output == nullptr || !output->passing()) return;
    pump(*output);  // what is still on its way goes, too
    remove_logs_of(shared_.directory, unit);
    output->log.start_over();
}

/// The number of descriptors to send: of the file, and of the follower's pipe.
Result<std::size_t> Loop::open_for(const ipc::LogOpen& request, UnitLog::Reader& reader,
                                   Fd& follower) {
    const std::string_view unit = ipc::get_text(request.unit);
    if (!is_file_name(unit)) return fail_errno("unit name", EINVAL);
    if (request.kept != 0 && find(unit) == nullptr && !is_kept(shared_.directory, unit)) {
        return fail_errno("its log", ENOENT);
    }
    UnitOutput& output = find_or_add(unit);
    pump(output);  // what was written before the question
    TRY(reader, output.log.open_reader(shared_, output.settings(), request.file));
    if (request.follow == 0) return 1;
    TRY(follower, output.log.add_follower());
    return 2;
}

void Loop::answer_open(const ipc::LogOpen& request) {
    auto reply = ipc::make<ipc::LogOpened>();
    reply.serial = request.serial;
    UnitLog::Reader reader;
    Fd follower;
    const auto opened = open_for(request, reader, follower);
    if (!opened) reply.code = opened.error().code != 0 ? opened.error().code : EIO;
    reply.size = reader.size;
    reply.file = reader.number;
    reply.oldest = reader.oldest;
    const int fds[2] = {reader.file.get(), follower.get()};
    // A full queue means an engine that does not read its answers: it asks again or is replaced.
    (void)ipc::send(engine_.get(), reply, fds, opened.value_or(0));
    forget_if_idle(std::string(ipc::get_text(request.unit)));
}

}  // namespace jailsvc::logger
