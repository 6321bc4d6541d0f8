// Limits of a running unit changed: all of them, or what was is put back.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.hpp"
#include "jailer/cgroup/group_files.hpp"
#include "jailer/cgroup/plan_limits.hpp"
#include "jailer/cgroup/tree.hpp"
#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

/// Looks for processes that were forked while others were moved.
constexpr int kMaxRounds = 64;

bool same_file(const Write& a, const Write& b) {
    return a.controller == b.controller && a.file == b.file && a.value == b.value;
}

/// What has to be written to get from one set of limits to the other.
Translation step(std::span<const Limit> from, std::span<const Limit> to,
                 std::span<const Controller> controllers) {
    std::vector<Limit> limits(to.begin(), to.end());
    for (Limit& lift : lifted(from, to)) {
        lift.op = kStepCgroup;
        limits.push_back(std::move(lift));
    }
    Translation wanted = translate(limits, controllers);
    const Translation before = translate(from, controllers);
    std::erase_if(wanted.writes, [&](const Write& write) {
        return std::ranges::any_of(before.writes,
                                   [&](const Write& old) { return same_file(write, old); });
    });
    return wanted;
}

}  // namespace

/// A group in a hierarchy that the unit had none in gets all of its processes.
Result<void> Tree::move_in(const std::string& unit, const Branch& branch) {
    const std::string directory = directory_in(branch, unit);
    const std::string list = directory + "/cgroup.procs";
    for (int round = 0; round < kMaxRounds; ++round) {
        std::vector<pid_t> there = processes_in(directory);
        std::ranges::sort(there);
        bool news = false;
        for (const pid_t pid : processes(unit)) {
            if (std::ranges::binary_search(there, pid)) continue;
            news = true;
            const auto done = sys::write_file(list, std::to_string(pid));
            // It may have ended meanwhile.
            if (!done && done.error().code != ESRCH) return std::unexpected(done.error());
        }
        if (!news) return {};
    }
    return fail("its processes fork faster than they can be moved into " + directory, EAGAIN);
}

Result<void> Tree::join_branches(const std::string& unit, std::span<const Write> writes) {
    const Mask before = mask_of(unit);
    if (before == 0) return fail(why_not_.empty() ? "the unit has no control group" : why_not_);
    const Mask missing = branches_for(writes) & ~before;
    if (missing == 0) return {};
    const auto made = make_groups(unit, missing);
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        const bool meant = (missing & (Mask{1} << i)) != 0;
        if (!made && meant) (void)remove_group(directory_in(branches_[i], unit));
        if (made && (*made & (Mask{1} << i)) != 0) TRY_VOID(move_in(unit, branches_[i]));
    }
    if (!made) return std::unexpected(made.error());
    groups_[unit].mask |= *made;
    return {};
}

/// Version 1's cpuset cannot be told to have no limit: it gets what the one above it has.
std::string Tree::value_of(const Write& write) {
    const Branch* branch = branch_of(write.controller);
    const bool inherits = write.file == "cpuset.cpus" && write.value.empty() && branch != nullptr &&
                          branch->own.version == Version::kV1;
    if (!inherits) return write.value;
    return sys::read_file(branch->directory + "/cpuset.cpus").value_or("");
}

/// Which of two limits can be written first depends on which way they go (version 1: the sum of
/// memory and swap is never below the memory): those that fail are tried again after the others.
std::optional<JailFailure> Tree::write_all(const std::string& unit, std::vector<Write> writes) {
    for (Write& write : writes) write.value = value_of(write);
    while (!writes.empty()) {
        std::vector<Write> left;
        JailFailure failure;
        for (Write& write : writes) {
            const auto done = write_limit(unit, write);
            if (done) continue;
            failure = {write.op, done.error().code, done.error().message};
            left.push_back(std::move(write));
        }
        if (left.size() == writes.size()) return failure;
        writes = std::move(left);
    }
    return std::nullopt;
}

std::optional<JailFailure> Tree::find_unheld(const std::string& unit,
                                             std::span<const Write> writes) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    for (const Write& write : writes) {
        if (write.value.empty()) continue;
        const std::string file = directory_of(unit, write.controller) + '/' + write.file;
        const auto seen = sys::read_file(file);
        if (seen && holds(write, *seen, page)) continue;
        return not_held(write.op, fmt::format("{} is {}, not {}", file, seen.value_or("not there"),
                                              write.value));
    }
    return std::nullopt;
}

Jailed<std::vector<JailFailure>> Tree::adjust(const std::string& unit, const CompiledPlan& before,
                                              const CompiledPlan& after, const Digest& digest) {
    const std::vector<Limit> old = limits_of(before);
    const std::vector<Limit> limits = limits_of(after);
    Translation wanted = step(old, limits, controllers_);
    std::vector<JailFailure> weakened;
    for (const Refused& refused : wanted.refused) {
        auto failure = not_held(refused.op, refused.why);
        if (!passes(after, failure, weakened)) return std::unexpected(std::move(failure));
    }
    if (!wanted.writes.empty()) {
        if (const auto joined = join_branches(unit, wanted.writes); !joined) {
            return std::unexpected(
                JailFailure{wanted.writes.front().op, joined.error().code, joined.error().message});
        }
    }
    auto failure = write_all(unit, wanted.writes);
    if (!failure) failure = find_unheld(unit, wanted.writes);
    if (failure) {
        (void)write_all(unit, step(limits, old, controllers_).writes);
        if (failure->code == EBUSY) {
            failure->text += "; it uses more than that now, and cannot give it back";
        }
        return std::unexpected(std::move(*failure));
    }
    if (!wanted.writes.empty()) watch_limits(unit);
    if (const auto group = groups_.find(unit); group != groups_.end()) {
        group->second.digest = digest;
        group->second.end_all_on_oom = wanted.end_all_on_oom;
    }
    return weakened;
}

}  // namespace jailsvc::jailer::cgroup
