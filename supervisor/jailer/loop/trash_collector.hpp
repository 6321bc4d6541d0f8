#pragma once

#include <optional>
#include <string>

#include "base/places.hpp"
#include "jailer/loop/watch.hpp"
#include "jailer/plugin/worker_process.hpp"

namespace jailsvc::jailer {

/// Beside what jails are made of: a rename from a runtime directory stays in one file system.
[[nodiscard]] std::string trash_directory(const Places& places);

/// Empties the trash in a process of its own, one at a time. What a dead jailer left is taken
/// along by the next.
class TrashCollector {
public:
    TrashCollector(struct ev_loop* loop, std::string directory);

    [[nodiscard]] const std::string& directory() const { return directory_; }
    /// Something may have been thrown away.
    void collect();

private:
    void ended();

    std::string directory_;
    std::optional<WorkerProcess> worker_;
    bool again_ = false;  ///< there is more than the worker may have seen
    IoWatch watch_;
};

}  // namespace jailsvc::jailer
