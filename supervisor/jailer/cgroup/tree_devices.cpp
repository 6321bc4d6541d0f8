// The list of devices of a plan: set in a unit's group, and read back from the kernel.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/sys.hpp"
#include "jailer/cgroup/device_program.hpp"
#include "jailer/cgroup/group_files.hpp"
#include "jailer/cgroup/plan_limits.hpp"
#include "jailer/cgroup/tree.hpp"
#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

constexpr const char* kNoMeans =
    "devices can be restricted neither by a program in cgroup v2 (needs root, and bpf(2)) nor by "
    "the devices controller of v1; list the key in [jail] optional to run without";

std::set<std::string> lines_of(std::span<const DeviceRule> rules) {
    std::set<std::string> lines;
    for (const DeviceRule& rule : rules) lines.insert(to_line(rule));
    return lines;
}

}  // namespace

/// Whether programs can be had at all: asked until it is known, of one that lets nothing pass. One
/// for which there is no memory now is tried again by whoever needs it.
bool Tree::has_device_programs() {
    if (!device_programs_) {
        const Branch* branch = tracker();
        const bool unified = branch != nullptr && branch->own.version == Version::kV2;
        const auto program = unified ? load_device_program(to_program({})) : fail(kNoMeans, ENOENT);
        if (!program && is_shortage(program.error().code)) return true;
        device_programs_ = program.has_value();
    }
    return *device_programs_;
}

/// Version 1's controller, where programs cannot be had.
bool Tree::needs_device_group(const std::optional<DeviceList>& list) {
    if (!list || has_device_programs()) return false;
    const Branch* branch = branch_of("devices");
    return branch != nullptr && branch->own.version == Version::kV1;
}

Result<void> Tree::attach_device_list(const std::string& unit, const DeviceList& list) {
    const std::string directory = unified_directory(unit);
    if (directory.empty()) return fail(kNoMeans, ENOENT);
    TRY(const Fd program, load_device_program(to_program(list.rules)));
    TRY_VOID(attach_device_program(directory, program.get()));
    TRY(const ProgramInfo info, info_of(program.get()));
    groups_[unit].device_program = info.id;
    groups_[unit].devices = hash_of(list.rules);
    return {};
}

/// A new group has what the one above it has: nothing of that is to stay.
Result<void> Tree::write_device_list(const std::string& unit, const DeviceList& list) {
    const std::string directory = directory_of(unit, "devices");
    if (!needs_device_group(list) || directory.empty()) return fail(kNoMeans, ENOENT);
    TRY_VOID(sys::write_file(directory + "/devices.deny", "a"));
    for (const std::string& line : lines_of(list.rules)) {
        TRY_VOID(sys::write_file(directory + "/devices.allow", line));
    }
    return {};
}

std::optional<JailFailure> Tree::restrict_devices(const std::string& unit, const CompiledPlan& plan,
                                                  const std::optional<DeviceList>& list,
                                                  std::vector<JailFailure>& weakened) {
    if (!list || (list->by_default && (!device_lists_ || !has(unit)))) return std::nullopt;
    const auto done =
        has_device_programs() ? attach_device_list(unit, *list) : write_device_list(unit, *list);
    if (done) return std::nullopt;
    if (list->by_default && !is_shortage(done.error().code)) {
        device_lists_ = false;
        spdlog::info("no list of devices for units that ask for none: {}", done.error().message);
        return std::nullopt;
    }
    JailFailure failure{list->op, done.error().code, done.error().message};
    if (passes(plan, failure, weakened)) return std::nullopt;
    return failure;
}

/// Empty: it holds. A program that an earlier jailer attached is known by the kernel's digest of
/// it.
std::string Tree::why_devices_unheld(const std::string& unit, const DeviceList& list) {
    if (!has_device_programs()) {
        const auto text = sys::read_file(directory_of(unit, "devices") + "/devices.list");
        std::istringstream lines(text.value_or(""));
        std::set<std::string> seen;
        for (std::string line; std::getline(lines, line);) seen.insert(line);
        if (text && seen == lines_of(list.rules)) return {};
        return text ? "devices.list is another" : std::string(kNoMeans);
    }
    const auto attached = attached_device_programs(unified_directory(unit));
    if (!attached) return attached.error().message;
    Group& group = groups_[unit];
    const bool ours = group.device_program != 0 && group.devices == hash_of(list.rules);
    if (ours && std::ranges::find(*attached, group.device_program) != attached->end()) return {};
    const auto program = load_device_program(to_program(list.rules));
    if (!program) return program.error().message;
    const auto wanted = info_of(program->get());
    for (const std::uint32_t id : *attached) {
        const auto there = info_of_id(id);
        if (!wanted || !there || wanted->tag != there->tag) continue;
        group.device_program = id;
        group.devices = hash_of(list.rules);
        return {};
    }
    return "no program in its group lets these devices pass and no others";
}

std::optional<JailFailure> Tree::attest_devices(const std::string& unit, const CompiledPlan& plan,
                                                std::vector<JailFailure>& weakened) {
    const auto list = device_list(plan);
    if (!list) return list.error();
    if (!*list || ((*list)->by_default && !device_lists_)) return std::nullopt;
    const std::string why = has(unit) ? why_devices_unheld(unit, **list) : kNoMeans;
    if (why.empty()) return std::nullopt;
    auto failure = not_held((*list)->op, why);
    if ((*list)->by_default && !has(unit)) return std::nullopt;
    if (passes(plan, failure, weakened)) return std::nullopt;
    return failure;
}

}  // namespace jailsvc::jailer::cgroup
