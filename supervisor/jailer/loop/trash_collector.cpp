#include "jailer/loop/trash_collector.hpp"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

#include "jailer/jail/trash.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kNiceness = 10;  ///< nobody waits for it

void empty(const std::string& directory) {
    (void)::setpriority(PRIO_PROCESS, 0, kNiceness);
    if (!empty_trash(directory)) ::_exit(EXIT_FAILURE);
}

}  // namespace

std::string trash_directory(const Places& places) {
    return places.run + "/trash";
}

TrashCollector::TrashCollector(struct ev_loop* loop, std::string directory)
    : directory_(std::move(directory)), watch_(loop) {}

void TrashCollector::collect() {
    if (worker_) {
        again_ = true;
        return;
    }
    const auto any = has_trash(directory_);
    if (any && !*any) return;
    auto worker = any ? WorkerProcess::start([this] { empty(directory_); })
                      : Result<WorkerProcess>(std::unexpected(any.error()));
    if (!worker) return spdlog::error("old directories stay: {}", worker.error().message);
    worker_.emplace(std::move(*worker));
    watch_.start(worker_->pidfd(), EV_READ, [this] { ended(); });
}

void TrashCollector::ended() {
    watch_.stop();
    const auto end = worker_->poll();
    if (end && !end->succeeded()) {
        spdlog::error("{}: not emptied: its helper {}; remove what is in it", directory_,
                      end->describe());
    }
    worker_.reset();
    if (std::exchange(again_, false)) collect();
}

}  // namespace jailsvc::jailer
