#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/result.hpp"

namespace jailsvc::logger {

/// Compresses what was rotated and removes what is too old, in a thread of lowest priority that is
/// there only while there is something to do. Killed at any instant, it leaves every line in a
/// whole file; the next one goes on.
class Archivist {
public:
    explicit Archivist(std::string directory) : directory_(std::move(directory)) {}
    /// Gives up the file it is at, which stays as it was.
    ~Archivist();
    Archivist(const Archivist&) = delete;
    Archivist& operator=(const Archivist&) = delete;

    /// Sees to the unit's rotated files soon: `keep` of them stay, compressed or as they are.
    void tidy(const std::string& unit, std::uint32_t keep, bool compress);

    /// Until there is nothing left to do.
    void wait();

private:
    struct Task {
        std::uint32_t keep = 0;
        bool compress = false;
    };

    static void* thread(void* self);
    [[nodiscard]] bool start_thread();
    void work();
    void tidy_now(const std::string& unit, const Task& task);
    [[nodiscard]] bool may_go_on();

    const std::string directory_;
    std::mutex mutex_;
    std::condition_variable ended_;
    std::map<std::string, Task> tasks_;
    bool running_ = false;
    bool stop_ = false;
};

/// DIRECTORY/NAME -> NAME.zst by way of NAME.zst.tmp, and NAME is removed. `go_on` is asked between
/// blocks; false gives up (ECANCELED). What fails leaves NAME as it was.
[[nodiscard]] Result<void> compress_file(int directory, const std::string& name,
                                         const std::function<bool()>& go_on);

}  // namespace jailsvc::logger
