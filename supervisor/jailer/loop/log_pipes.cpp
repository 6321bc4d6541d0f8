#include "jailer/loop/log_pipes.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.hpp"

namespace jailsvc::jailer {

Result<LogPipes::Pipe> LogPipes::get(const std::string& unit, const ResolvedIds& ids) {
    Pipe pipe{};
    auto known = write_ends_.find(unit);
    if (known == write_ends_.end()) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) == -1) {
            return fail_errno(fmt::format("{}: make the output pipe", unit));
        }
        pipe.made = Fd(ends[0]);
        known = write_ends_.try_emplace(unit, ends[1]).first;
    }
    pipe.write_end = known->second.get();
    struct stat info{};
    if (::fstat(pipe.write_end, &info) == -1) return fail_errno("fstat the output pipe");
    const bool owned = info.st_uid == ids.uid && info.st_gid == ids.gid;
    if (!owned && ::fchown(pipe.write_end, ids.uid, ids.gid) == -1) {
        const int code = errno;
        if (pipe.made) write_ends_.erase(known);
        return fail_errno(fmt::format("{}: give the output pipe to uid {}", unit, ids.uid), code);
    }
    return pipe;
}

Result<void> LogPipes::adopt(const std::string& unit, int read_end) {
    // Opening a pipe's other end needs no name: proc(5), /proc/pid/fd. It cannot block, since a
    // reader (the descriptor itself) is there.
    TRY(auto end, sys::open(fmt::format("/proc/self/fd/{}", read_end), O_WRONLY));
    write_ends_.insert_or_assign(unit, std::move(end));
    return {};
}

}  // namespace jailsvc::jailer
