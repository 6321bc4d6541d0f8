#include "engine/stamps.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.hpp"
#include "base/sys.hpp"
#include "engine/sandbox.hpp"

namespace jailsvc::engine {

Result<void> Stamps::make_directory(const std::string& directory) {
    TRY_VOID(sys::make_directories(directory));
    // Without root the directory is the engine's own already.
    if (::geteuid() != 0) return {};
    const Fd dir(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!dir) return fail_errno(directory);
    if (::fchown(dir.get(), kEngineUid, kEngineUid) == -1) return fail_errno(directory);
    if (::fchmod(dir.get(), 0755) == -1) return fail_errno(directory);
    return {};
}

std::optional<config::WallTime> Stamps::read(std::string_view unit) const {
    struct stat info{};
    const std::string path = fmt::format("{}/{}", directory_, unit);
    if (::lstat(path.c_str(), &info) == -1 || !S_ISREG(info.st_mode)) return std::nullopt;
    return info.st_mtim.tv_sec * config::WallTime{1'000'000} + info.st_mtim.tv_nsec / 1000;
}

void Stamps::write(std::string_view unit) const {
    const std::string path = fmt::format("{}/{}", directory_, unit);
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (file && ::futimens(file.get(), nullptr) == 0) return;
    spdlog::warn("{}: that it ran now is not kept for the time after the next boot: {}: {}", unit,
                 path, std::strerror(errno));
}

}  // namespace jailsvc::engine
