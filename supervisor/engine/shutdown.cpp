#include "engine/shutdown.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/clock.hpp"

namespace jailsvc::engine {
namespace {

/// What stopping everything takes beside the units' own times, on a busy machine.
constexpr std::uint64_t kSlackNs = 10'000'000'000;

}  // namespace

void Shutdown::begin_for_keeper(ipc::ShutdownKind kind) {
    if (records_ != nullptr) answer();
    stop_all({kind, 0});
}

void Shutdown::begin(Records::Ending ending) {
    announce(ending.kind);
    stop_all(ending);
}

bool Shutdown::resume(Records& records) {
    records_ = &records;
    if (!ending_) ending_ = records.ending();
    if (!ending_) return false;
    begin(*ending_);
    return true;
}

void Shutdown::stop_all(Records::Ending ending) {
    // A later wish changes what follows the end, not the exit code of what brought it about.
    if (ending_) ending.exit_code = ending_->exit_code;
    ending_ = ending;
    if (records_ == nullptr) return;
    records_->set_ending(ending);
    if (stopping_) return;
    stopping_ = true;
    spdlog::info("stopping everything");
    jobs_.wait(manager_.stop_all(), [this](const service::JobResult&) {
        auto done = ipc::make<ipc::ShutdownDone>();
        done.kind = ending_->kind;
        done.exit_code = ending_->exit_code;
        keeper_.send(done);
    });
}

/// So that the keeper cuts no stop short that the units' timeouts allow.
std::uint64_t Shutdown::deadline_ns() const {
    const auto bound =
        std::min(static_cast<std::uint64_t>(manager_.stop_bound().count()), ipc::kLongestStopNs);
    return boottime_ns() + bound + kSlackNs;
}

void Shutdown::answer() {
    auto stopping = ipc::make<ipc::Stopping>();
    stopping.deadline_ns = deadline_ns();
    keeper_.send(stopping);
}

/// The keeper bounds it from now on, and goes on with it though no engine does.
void Shutdown::announce(ipc::ShutdownKind kind) {
    auto shutdown = ipc::make<ipc::Shutdown>();
    shutdown.kind = kind;
    shutdown.deadline_ns = deadline_ns();
    keeper_.send(shutdown);
}

}  // namespace jailsvc::engine
