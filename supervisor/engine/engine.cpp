#include "engine/engine.hpp"

#include <fmt/ranges.h>
#include <sys/resource.h>

#include <utility>

#include "base/idle_memory.hpp"
#include "config/overlay.hpp"
#include "control/varlink.hpp"
#include "engine/messages.hpp"

namespace jailsvc::engine {
namespace {

/// Clients are let in without units when the jailer has not told its schema by then [s].
constexpr double kImpatience = 5.;
constexpr std::chrono::seconds kFrozenPause{1};  ///< between looks whether health can be checked
constexpr std::size_t kManyStarts = 64;          ///< after so many, memory is given back
constexpr double kRest = 2.;                     ///< so long after the last of them [s]

std::size_t descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == -1) return 0;
    return static_cast<std::size_t>(limit.rlim_cur);
}

}  // namespace

Engine::Engine(struct ev_loop* loop, const Places& places, Roles roles, Fd keeper)
    : loop_(loop),
      sources_(config::sources_of(places)),
      keeper_(loop, "keeper",
              {.packet = [this](ipc::Packet& packet) { from_keeper(packet); },
               .lost = [this] { ev_break(loop_, EVBREAK_ALL); }}),
      jailer_(loop, "jailer",
              {.packet = [this](ipc::Packet& packet) { from_jailer(packet); },
               .lost = [this] { jailer_lost(); }}),
      logger_(loop, "logger",
              {.packet = [this](ipc::Packet& packet) { from_logger(packet); },
               .lost = [this] { lost_logger(); }}),
      launcher_(
          jailer_, [this](std::string_view unit) { return digest_of_start(unit); },
          [this](service::Token token) {
              if (records_) records_->reserve(token);
              early_exits_.expect_answer(token);
              ++starts_;
          },
          [this](std::string_view unit, service::Token main_token) {
              main_processes_.find(std::string(unit), main_token, 0);
          },
          [this](std::string_view unit) { return await_activation(unit); }),
      timers_(loop, {.hear = [this](const std::string& unit) { notify_hub_.hear(unit); },
                     .elapsed =
                         [this](std::string_view unit, service::TimerKind kind) {
                             // Whoever is frozen cannot answer; a check of it would be held too.
                             if (kind == service::TimerKind::kHealth && is_frozen(unit)) {
                                 return timers_.arm(unit, kind, kFrozenPause);
                             }
                             manager_.on_timer(unit, kind);
                         }}),
      boot_marks_(places.asked(), jailer_),
      schedules_(loop, Stamps(stamps_directory(places)),
                 [this](const std::string& unit) { on_due(unit); }),
      manager_(launcher_, timers_, reporter_),
      self_reports_(manager_, for_self_reports()),
      main_processes_(loop, jailer_, for_main_processes()),
      notify_hub_(loop, for_notify_hub()),
      fd_store_(loop, keeper_),
      asks_(loop, jailer_, logger_,
            [this](service::Token token) { early_exits_.expect_answer(token); }),
      shutdown_(keeper_, manager_, jobs_),
      transients_(loop, manager_, sources_.unit_dirs.front(), for_transients()),
      dispatcher_(manager_, jobs_, *this, monitors_),
      server_(
          loop, std::move(roles),
          [this](const control::Call& call, std::vector<Fd> fds, const Caller& caller,
                 const ClientRef& client) {
              dispatcher_.dispatch(call, std::move(fds), caller, client);
          },
          limits_within(descriptor_limit())),
      settle_(loop, [this] { settle(); }),
      rest_(loop, give_back_memory),
      impatience_(loop, [this] { listen(); }) {
    (void)keeper_.attach(std::move(keeper));
    reporter_.publish_to(&monitors_, &transients_);
    auto hello = ipc::make<ipc::Hello>();
    hello.role = ipc::Role::kEngine;
    keeper_.send(hello);
    impatience_.start(kImpatience);
}

Extra Engine::extra(std::string_view unit) const {
    const auto entry = records_ ? records_->find(unit) : std::nullopt;
    return entry ? entry->extra : Extra{};
}

Result<std::string> Engine::settings(const config::Unit& unit) const {
    return config::settings_of(*schema_, unit);
}

void Engine::plan(const std::string& unit, ClientRef client) {
    asks_.plan(unit, std::move(client));
}

void Engine::logs(const LogQuestion& question, ClientRef client) {
    asks_.logs(question, std::move(client));
}

void Engine::exec(const std::string& unit, service::Token main_token, Fd socket, ClientRef client) {
    const service::Token token = draw_token();
    asks_.exec(unit, token, main_token, std::move(socket), std::move(client));
}

void Engine::set_property(const std::string& unit, const std::map<std::string, std::string>& pairs,
                          ClientRef client) {
    const auto overlay = config::to_overlay(*schema_, pairs);
    const auto read =
        overlay ? config::parse_overlay(*schema_, *overlay) : std::unexpected(overlay.error());
    if (read) return asks_.set_property(unit, *overlay, std::move(client));
    std::vector<std::string> errors;
    for (const auto& error : read.error()) errors.push_back(error.message);
    answer(client, control::error_reply("InvalidProperty",
                                        {{"message", fmt::format("{}", fmt::join(errors, "; "))}}));
}

bool Engine::shutdown(std::string_view kind) {
    const auto known = shutdown_kind(kind);
    if (!known) return false;
    shutdown_.begin({*known, 0});
    return true;
}

void Engine::settle() {
    // An answer lets a client's next call in, which may settle more.
    while (reporter_.has_settled() || reporter_.has_end() || reporter_.has_dropped() ||
           !launcher_.idle() || monitors_.has_lost() || transients_.has_changed()) {
        transients_.settle();
        launcher_.flush();
        monitors_.end_lost();
        forget_dropped();
        for (const auto& [job, result] : reporter_.take_settled()) jobs_.settled(job, result);
        if (const auto code = reporter_.take_end()) {
            shutdown_.begin({ipc::ShutdownKind::kExit, static_cast<std::uint16_t>(*code)});
        }
    }
    if (ready_) fd_store_.release_resting(manager_);
    trim();
}

/// Many starts at once take far more for a moment than what is kept.
void Engine::trim() {
    if (starts_ < kManyStarts || early_exits_.expecting()) return;
    starts_ = 0;
    rest_.start(kRest);
}

}  // namespace jailsvc::engine
