#include "jailer/plugin/plugin_load.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <utility>

#include "jailer/plugin/shared_report.hpp"
#include "jailer/plugin/trusted_file.hpp"
#include "jailer/plugin/worker_process.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::chrono::milliseconds kTrialTime{2000};
constexpr std::size_t kTrialReport = 4096;  ///< [bytes]

/// dlerror(3) names the file as we opened it; people know it by its path.
std::string loader_error(const std::string& opened) {
    const char* text = ::dlerror();
    std::string message = text != nullptr ? text : "dlopen failed";
    if (message.starts_with(opened + ": ")) message.erase(0, opened.size() + 2);
    return message;
}

/// Loads the library behind `fd`. The same file, checked and loaded: no path is walked again. The
/// loader knows libraries by their names and keeps them over a fork: with "self" in it, a child
/// that has closed our descriptors would get one of ours for its own file.
Result<LoadedPlugin> open_library(int fd) {
    const std::string opened = fmt::format("/proc/{}/fd/{}", ::getpid(), fd);
    void* library = ::dlopen(opened.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        return fail(loader_error(opened) + "; it is damaged or incomplete: install it anew");
    }
    void* symbol = ::dlsym(library, "jailsvc_plugin_entry");
    if (symbol == nullptr) return fail("exports no jailsvc_plugin_entry: it is no plugin");
    const auto entry = reinterpret_cast<jsv_plugin_entry_fn>(symbol);
    return read_entry(entry());
}

/// The library is never unloaded (C++ ones often cannot be, STB_GNU_UNIQUE), and the loader knows it
/// by the name it was opened with: were the number used again, it would hand out this library for
/// another file. So the descriptor stays, one for each file. A child of ours has others.
int keep(Fd fd) {
    static std::map<std::pair<dev_t, ino_t>, int> held;
    static pid_t holder = 0;
    if (std::exchange(holder, ::getpid()) != ::getpid()) held.clear();
    struct stat info{};
    if (::fstat(fd.get(), &info) == -1) return fd.release();
    const auto [known, added] = held.try_emplace({info.st_dev, info.st_ino}, fd.get());
    if (added) (void)fd.release();
    return known->second;
}

void forbid_core_dumps() {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &none);
}

/// Loads it in a process of its own first: a truncated library raises SIGBUS in the loader, and
/// constructors may do anything.
Result<void> try_library(int fd) {
    TRY(SharedReport report, SharedReport::make(kTrialReport));
    auto trial = WorkerProcess::start(
        [&] {
            forbid_core_dumps();
            const auto loaded = open_library(fd);
            if (loaded) {
                report.finish(SharedReport::Outcome::kDone, "");
            } else {
                report.finish(SharedReport::Outcome::kError, loaded.error().message);
            }
        },
        {fd});
    if (!trial) return fail_in("load it in a worker", std::move(trial).error());
    const auto end = trial->wait(kTrialTime);
    if (!end) return fail("did not finish loading within 2 s; replace it");
    if (end->succeeded() && report.outcome() == SharedReport::Outcome::kDone) return {};
    if (report.outcome() == SharedReport::Outcome::kError) return fail(report.text());
    return fail(fmt::format("crashed while being loaded ({}); it is damaged: install it anew",
                            end->describe()));
}

}  // namespace

Result<LoadedPlugin> load_plugin(int dir, const std::string& dir_path, const std::string& file) {
    const std::string path = dir_path + "/" + file;
    TRY(Fd fd, open_trusted_file(dir, file, path));
    if (auto tried = try_library(fd.get()); !tried) return fail_in(path, std::move(tried).error());
    auto plugin = open_library(keep(std::move(fd)));
    if (!plugin) return fail_in(path, std::move(plugin).error());
    plugin->path = path;
    return std::move(*plugin);
}

}  // namespace jailsvc::jailer
