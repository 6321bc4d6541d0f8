#include "logger/archivist.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <functional>

#include "base/sys.hpp"
#include "logger/archive.hpp"

namespace jailsvc::logger {
namespace {

constexpr std::size_t kStack = 256 * 1024;

/// Last in line for the processors and the disk: services and the reading of their output come
/// first. Both are per thread (setpriority(2), BUGS; ioprio_set(2)), best effort.
void be_humble() {
    constexpr int kLastNice = 19;
    constexpr int kProcess = 1;          // IOPRIO_WHO_PROCESS, see ioprio_set(2)
    constexpr int kIdleClass = 3 << 13;  // IOPRIO_CLASS_IDLE
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLastNice);
    (void)::syscall(SYS_ioprio_set, kProcess, 0, kIdleClass);
}

void remove(int directory, const std::string& name) {
    if (::unlinkat(directory, name.c_str(), 0) == -1 && errno != ENOENT) {
        spdlog::warn("logger: remove {}: {}", name, ::strerrordesc_np(errno));
    }
}

}  // namespace

Archivist::~Archivist() {
    std::unique_lock lock(mutex_);
    stop_ = true;
    ended_.wait(lock, [this] { return !running_; });
}

void Archivist::wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return !running_; });
}

void Archivist::tidy(const std::string& unit, std::uint32_t keep, bool compress) {
    const std::lock_guard lock(mutex_);
    tasks_[unit] = Task{keep, compress};
    if (running_) return;
    running_ = start_thread();
    // It stays as it is until the next rotation tries again.
    if (!running_) spdlog::warn("{}: no thread to compress old logs with", unit);
}

bool Archivist::start_thread() {
    pthread_attr_t attributes;
    if (::pthread_attr_init(&attributes) != 0) return false;
    pthread_t made{};
    const bool good = ::pthread_attr_setstacksize(&attributes, kStack) == 0 &&
                      ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                      ::pthread_create(&made, &attributes, thread, this) == 0;
    ::pthread_attr_destroy(&attributes);
    return good;
}

void* Archivist::thread(void* self) {
    be_humble();
    static_cast<Archivist*>(self)->work();
    return nullptr;
}

void Archivist::work() {
    std::unique_lock lock(mutex_);
    while (!stop_ && !tasks_.empty()) {
        const auto [unit, task] = *tasks_.begin();
        tasks_.erase(tasks_.begin());
        lock.unlock();
        tidy_now(unit, task);
        lock.lock();
    }
    running_ = false;
    ended_.notify_all();
}

bool Archivist::may_go_on() {
    const std::lock_guard lock(mutex_);
    return !stop_;
}

void Archivist::tidy_now(const std::string& unit, const Task& task) {
    const std::string path = archive_path(directory_, unit);
    auto directory = sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    while (directory && may_go_on()) {
        const auto files = list_archive(path);
        if (!files) return spdlog::warn("{}: {}", unit, files.error().message);
        std::string next;
        for (std::size_t i = 0; i < files->size(); ++i) {
            const ArchivedFile& file = (*files)[i];
            const std::string name = archived_name(file.number);
            const bool old = files->size() - i > task.keep;
            if (file.half_made) remove(directory->get(), name + ".zst.tmp");
            if (file.compressed && old) remove(directory->get(), name + ".zst");
            if (file.plain && (old || file.compressed)) remove(directory->get(), name);
            if (next.empty() && file.plain && !old && !file.compressed) next = name;
        }
        if (!task.compress || next.empty()) return;
        // Then the directory is looked at again: a busy unit has rotated meanwhile.
        const auto done = compress_file(directory->get(), next, [this] { return may_go_on(); });
        if (done) continue;
        if (done.error().code != ECANCELED && done.error().code != ENOENT) {
            spdlog::warn("{}: compress {}: {}", unit, next, done.error().message);
        }
        return;
    }
}

}  // namespace jailsvc::logger
