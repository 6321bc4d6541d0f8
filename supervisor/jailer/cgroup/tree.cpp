// Where our groups are, made and removed. The limits in them: tree_limits.cpp.
#include "jailer/cgroup/tree.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/clock.hpp"
#include "base/sys.hpp"
#include "jailer/cgroup/group_files.hpp"
#include "jailer/cgroup/kill.hpp"
#include "jailer/cgroup/supervisor_name.hpp"
#include "jailer/child/raw_calls.hpp"
#include "jailer/loop/processes.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

constexpr std::string_view kSuffix = ".unit";  // no file of a controller ends so
constexpr std::uint64_t kEndNs = 1'000'000'000;

std::string join(const std::string& path, std::string_view name) {
    return fmt::format("{}{}{}", path, path.ends_with('/') ? "" : "/", name);
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

/// A jailer that a moved keeper starts is in the supervisor's own group: ours begins above that.
void climb(Hierarchy& own, const std::string& name) {
    const std::size_t at = (own.path + '/').find('/' + name + '/');
    if (at == std::string::npos) return;
    const std::size_t surplus = own.path.size() - at;
    if (surplus > own.directory.size()) return;
    own.directory.resize(own.directory.size() - surplus);
    own.path.resize(at);
    if (own.path.empty()) own.path = "/";
}

/// Version 1's cpuset takes no process before it has processors and memory, and inherits neither
/// (cpuset(7)).
Result<void> fill_cpuset(const std::string& directory) {
    const std::string parent = directory.substr(0, directory.rfind('/'));
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
        TRY(const std::string value, sys::read_file(parent + file));
        TRY_VOID(sys::write_file(directory + file, value));
    }
    return {};
}

bool is_cpuset(const Hierarchy& own) {
    return std::ranges::find(own.controllers, "cpuset") != own.controllers.end();
}

/// Whether a child born in the group lives. Since Linux 6.14 it is killed at once if its group was
/// killed by cgroup.kill more often than its parent's, or less (cgroup_css_set_fork takes the count
/// of the wrong group, cgroup_post_fork compares); before 5.7 there is no such clone.
bool lives_when_born_in(const std::string& directory) {
    const auto group = sys::open(directory, O_PATH | O_DIRECTORY);
    if (!group) return false;
    clone_args arguments{};
    arguments.flags = CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND;
    arguments.cgroup = static_cast<std::uint64_t>(group->get());
    const long pid = raw::call(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) raw::exit_now(0);
    if (pid < 0) return false;
    int status = -1;
    while (::waitpid(static_cast<pid_t>(pid), &status, __WALL) == -1 && errno == EINTR) {
    }
    return status == 0;
}

Result<void> make_in(const Hierarchy& own, const std::string& directory) {
    if (exists(directory)) return {};
    TRY_VOID(make_group(directory));
    if (is_cpuset(own)) TRY_VOID(fill_cpuset(directory));
    return {};
}

}  // namespace

Tree Tree::open() {
    const auto mounts = sys::read_file("/proc/self/mountinfo", 16U << 20);
    const auto own = sys::read_file("/proc/self/cgroup");
    if (!mounts || !own) return {{}, ""};
    auto found = find_hierarchies(*mounts, *own);
    if (!found) spdlog::warn("control groups: {}", found.error().message);
    return {found ? std::move(*found) : std::vector<Hierarchy>{}, to_name(own_supervisor())};
}

Tree::Tree(std::vector<Hierarchy> own, std::string name) : name_(std::move(name)) {
    if (own.empty()) why_not_ = "no control groups are mounted here";
    for (Hierarchy& hierarchy : own) {
        climb(hierarchy, name_);
        Branch branch{.own = std::move(hierarchy), .directory = {}, .path = {}};
        branch.directory = join(branch.own.directory, name_);
        branch.path = join(branch.own.path, name_);
        const bool unified = branch.own.version == Version::kV2;
        for (const std::string& controller :
             unified ? words_of(branch.own.directory + "/cgroup.controllers")
                     : branch.own.controllers) {
            controllers_.push_back({controller, branch.own.version});
        }
        branches_.push_back(std::move(branch));
    }
}

std::string Tree::group_name(const std::string& unit) {
    return unit + std::string(kSuffix);
}

std::string Tree::directory_in(const Branch& branch, const std::string& unit) {
    return join(branch.directory, group_name(unit));
}

Tree::Branch* Tree::branch_of(std::string_view controller) {
    for (Branch& branch : branches_) {
        if (branch.own.version == Version::kV1 &&
            std::ranges::find(branch.own.controllers, controller) != branch.own.controllers.end()) {
            return &branch;
        }
    }
    const auto unified = std::ranges::find_if(
        branches_, [](const Branch& branch) { return branch.own.version == Version::kV2; });
    return unified == branches_.end() ? nullptr : &*unified;
}

Tree::Branch* Tree::tracker() {
    Branch* best = nullptr;
    for (Branch& branch : branches_) {
        if (branch.broken) continue;
        if (branch.own.version == Version::kV2) return &branch;
        const auto& own = branch.own.controllers;
        const bool freezes = std::ranges::find(own, "freezer") != own.end();
        if (best == nullptr || freezes) best = &branch;
    }
    return best;
}

Result<void> Tree::make_branch(Branch& branch) {
    if (branch.made) return {};
    TRY_VOID(make_in(branch.own, branch.directory));
    branch.made = true;
    if (branch.own.version == Version::kV1) return {};
    settle_supervisor(branch);
    branch.born_in = lives_when_born_in(branch.directory);
    // What status shows. A limit says so itself where its controller cannot be had.
    for (const char* measured : {"memory", "pids", "cpu", "io"}) (void)enable(branch, measured);
    return {};
}

/// The unit's group in these branches. One that cannot be had at all is not tried again; what is in
/// the result was made. That the machine has no room for one now is an error.
Result<Tree::Mask> Tree::make_groups(const std::string& unit, Mask wanted) {
    Mask made = 0;
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        Branch& branch = branches_[i];
        if ((wanted & (Mask{1} << i)) == 0 || branch.broken) continue;
        if (auto done = make_branch(branch); !done) {
            if (is_shortage(done.error().code)) return std::unexpected(std::move(done).error());
            branch.broken = true;
            why_not_ = done.error().message;
            spdlog::debug("control groups: {}", why_not_);
            continue;
        }
        if (auto done = make_in(branch.own, directory_in(branch, unit)); !done) {
            if (is_shortage(done.error().code)) return std::unexpected(std::move(done).error());
            why_not_ = done.error().message;
            continue;
        }
        made |= Mask{1} << i;
    }
    return made;
}

/// After a jailer before us: what there is.
Tree::Mask Tree::mask_of(const std::string& unit) {
    if (const auto known = groups_.find(unit); known != groups_.end()) return known->second.mask;
    Mask mask = 0;
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        if (exists(directory_in(branches_[i], unit))) mask |= Mask{1} << i;
    }
    if (mask != 0) groups_[unit] = {.digest = {}, .mask = mask};
    return mask;
}

Result<Door> Tree::open_door(const std::string& unit) {
    Door door;
    const Mask mask = mask_of(unit);
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        if ((mask & (Mask{1} << i)) == 0) continue;
        const std::string directory = directory_in(branches_[i], unit);
        const bool unified = branches_[i].own.version == Version::kV2;
        if (unified && branches_[i].born_in) {
            TRY(door.unified, sys::open(directory, O_PATH | O_DIRECTORY));
        } else {
            const char* list = unified ? "/cgroup.procs" : "/tasks";
            TRY(Fd file, sys::open(directory + list, O_WRONLY));
            door.tasks.push_back(file.get());
            door.files.push_back(std::move(file));
        }
    }
    return door;
}

bool Tree::has(const std::string& unit) {
    return mask_of(unit) != 0;
}

std::string Tree::directory_of(const std::string& unit, std::string_view controller) {
    const Branch* branch = controller.empty() ? tracker() : branch_of(controller);
    if (branch == nullptr) return {};
    const auto index = static_cast<std::size_t>(branch - branches_.data());
    return (mask_of(unit) & (Mask{1} << index)) != 0 ? directory_in(*branch, unit) : "";
}

Tree::Place Tree::place_of(std::string_view controller) {
    const Branch* branch = controller.empty() ? tracker() : branch_of(controller);
    if (branch == nullptr) return {};
    return {branch->directory, branch->own.version};
}

bool Tree::ends_all_on_oom(const std::string& unit) const {
    const auto known = groups_.find(unit);
    return known != groups_.end() && known->second.end_all_on_oom;
}

/// For a group that was just made, or found.
void Tree::watch_limits(const std::string& unit) {
    events_.forget(unit);
    for (const char* controller : {"memory", "pids"}) {
        const Branch* branch = branch_of(controller);
        const std::string directory = directory_of(unit, controller);
        if (branch == nullptr || directory.empty()) continue;
        if (branch->own.version == Version::kV2 &&
            !has_word(directory + "/cgroup.controllers", controller)) {
            continue;
        }
        events_.watch(unit, controller, directory, branch->own.version);
    }
}

std::vector<pid_t> Tree::processes(const std::string& unit) {
    const std::string directory = directory_of(unit, "");
    return directory.empty() ? std::vector<pid_t>{} : processes_in(directory);
}

bool Tree::contains(const std::string& unit, pid_t pid) {
    const Branch* branch = tracker();
    const auto text = sys::read_file(fmt::format("/proc/{}/cgroup", pid));
    if (branch == nullptr || !text) return false;
    const std::string group = join(branch->path, group_name(unit));
    return (path_in(*text, branch->own) + '/').starts_with(group + '/');
}

void Tree::kill(const std::string& unit) {
    const std::string directory = directory_of(unit, "");
    if (directory.empty()) return;
    kill_group(directory, tracker()->own.version);
    groups_[unit].killed = true;
}

bool Tree::remove(const std::string& unit) {
    events_.forget(unit);
    pressure_.disarm(unit);
    Mask mask = mask_of(unit);
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        if ((mask & (Mask{1} << i)) == 0) continue;
        if (remove_group(directory_in(branches_[i], unit))) mask &= ~(Mask{1} << i);
    }
    if (mask == 0) {
        groups_.erase(unit);
    } else {
        groups_[unit] = {.digest = {}, .mask = mask};
    }
    return mask == 0;
}

void Tree::sweep(const std::vector<std::string>& living) {
    std::set<std::string> ours;
    for (Branch& branch : branches_) {
        for (const std::string& name : groups_in(branch.directory)) {
            if (name.ends_with(kSuffix)) ours.insert(name.substr(0, name.size() - kSuffix.size()));
        }
        remove_dead(branch);
    }
    for (const std::string& unit : ours) {
        if (std::ranges::find(living, unit) != living.end()) {
            watch_limits(unit);
            continue;
        }
        kill(unit);
        (void)remove(unit);
    }
}

/// Never kills: whose processes are in there may be in doubt, and then the group stays.
void Tree::remove_dead(const Branch& branch) {
    for (const std::string& name : groups_in(branch.own.directory)) {
        const auto other = parse_name(name);
        if (name == name_ || !other || !has_ended(*other)) continue;
        (void)remove_group(join(branch.own.directory, name));
    }
}

void Tree::end() {
    std::vector<std::string> units;
    for (const auto& [unit, group] : groups_) units.push_back(unit);
    for (const std::string& unit : units) kill(unit);
    const std::uint64_t until_ns = boottime_ns() + kEndNs;
    for (const std::string& unit : units) {
        while (!remove(unit) && boottime_ns() < until_ns) ::poll(nullptr, 0, 1);
    }
    for (const Branch& branch : branches_) {
        if (!branch.made && !exists(branch.directory)) continue;
        unsettle(branch);
        (void)remove_group(branch.directory);
    }
}

}  // namespace jailsvc::jailer::cgroup
