#include "jailer/loop/log_pipes.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/sys.hpp"

namespace jailsvc::jailer {

Result<LogPipes::Pipe> LogPipes::get(const std::string& unit, const ResolvedIds& ids,
                                     ipc::LogStream stream) {
    Pipe pipe{};
    Ends& ends_of_stream = write_ends_[std::to_underlying(stream)];
    auto known = ends_of_stream.find(unit);
    if (known == ends_of_stream.end()) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) == -1) {
            return fail_errno(fmt::format("{}: make the output pipe", unit));
        }
        pipe.made = Fd(ends[0]);
        known = ends_of_stream.try_emplace(unit, ends[1]).first;
    }
    pipe.write_end = known->second.get();
    struct stat info{};
    if (::fstat(pipe.write_end, &info) == -1) return fail_errno("fstat the output pipe");
    const bool owned = info.st_uid == ids.uid && info.st_gid == ids.gid;
    if (!owned && ::fchown(pipe.write_end, ids.uid, ids.gid) == -1) {
        const int code = errno;
        if (pipe.made) ends_of_stream.erase(known);
        return fail_errno(fmt::format("{}: give the output pipe to uid {}", unit, ids.uid), code);
    }
    return pipe;
}

Result<void> LogPipes::adopt(const std::string& unit, int read_end, ipc::LogStream stream) {
    // Opening a pipe's other end needs no name: proc(5), /proc/pid/fd. It cannot block, since a
    // reader (the descriptor itself) is there.
    TRY(auto end, sys::open(fmt::format("/proc/self/fd/{}", read_end), O_WRONLY));
    write_ends_[std::to_underlying(stream)].insert_or_assign(unit, std::move(end));
    return {};
}

Result<void> LogPipes::adopt_settings(const std::string& unit, int memfd) {
    TRY(const std::string bytes, sys::read_memfd(memfd, sizeof(ipc::LogSettings)));
    ipc::LogSettings settings;
    if (bytes.size() != sizeof settings) return fail("log settings of another version");
    std::memcpy(&settings, bytes.data(), sizeof settings);
    told_.insert_or_assign(unit, settings);
    return {};
}

Result<Fd> LogPipes::tell_settings(const std::string& unit, const ipc::LogSettings& settings) {
    const auto told = told_.find(unit);
    if ((told == told_.end() ? ipc::LogSettings{} : told->second) == settings) return Fd();
    TRY(Fd memfd, sys::sealed_memfd("log-settings",
                                    {reinterpret_cast<const char*>(&settings), sizeof settings}));
    told_.insert_or_assign(unit, settings);
    return memfd;
}

void LogPipes::forget(const std::string& unit) {
    for (Ends& ends : write_ends_) ends.erase(unit);
    told_.erase(unit);
}

}  // namespace jailsvc::jailer
