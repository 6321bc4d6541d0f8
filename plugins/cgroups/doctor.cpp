#include "doctor.hpp"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <jailsvc_plugin.hpp>
#include <string>
#include <vector>

#include "text_file.hpp"

namespace jailsvc::cgroups {
namespace {

/// One mounted hierarchy, and the group of this process in it.
struct Hierarchy {
    bool unified = false;
    std::string options;  ///< of version 1: the controllers, among others
    std::string directory;
};

/// The path in the line of /proc/self/cgroup that has the controller; of version 2 for "".
std::string own_path(const std::string& text, std::string_view controller) {
    for (const std::string_view line : split(text, '\n')) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        const std::string_view names = line.substr(first + 1, second - first - 1);
        const auto parts = split(names, ',');
        const bool here = controller.empty() ? names.empty()
                                             : std::ranges::find(parts, controller) != parts.end();
        if (here) return std::string(line.substr(second + 1));
    }
    return {};
}

/// Fields of a line of /proc/self/mountinfo: proc(5).
std::vector<Hierarchy> find_hierarchies() {
    const std::string own = read_text("/proc/self/cgroup");
    std::vector<Hierarchy> found;
    const std::string mounts = read_text("/proc/self/mountinfo");
    for (const std::string_view line : split(mounts, '\n')) {
        const std::size_t dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        const auto fields = split(line.substr(0, dash), ' ');
        const auto rest = split(line.substr(dash + 3), ' ');
        if (fields.size() < 5 || rest.size() < 3 || !rest[0].starts_with("cgroup")) continue;
        Hierarchy one{
            .unified = rest[0] == "cgroup2", .options = std::string(rest[2]), .directory = {}};
        const auto options = split(one.options, ',');
        std::string path;
        for (const std::string_view option : options) {
            if (path.empty() && !one.unified) path = own_path(own, option);
        }
        if (one.unified) path = own_path(own, "");
        const std::string root = fields[3] == "/" ? "" : std::string(fields[3]);
        if (path.empty() || !path.starts_with(root)) continue;
        one.directory = std::string(fields[4]) + path.substr(root.size());
        found.push_back(std::move(one));
    }
    return found;
}

/// The own group in the hierarchy that has the controller; nullptr without one.
const Hierarchy* with_controller(const std::vector<Hierarchy>& all, std::string_view name) {
    const std::string_view older = name == "io" ? "blkio" : name;
    for (const Hierarchy& one : all) {
        const std::string list =
            one.unified ? read_text(one.directory + "/cgroup.controllers") : "";
        for (const std::string_view line : split(one.unified ? list : one.options, '\n')) {
            const auto words = split(line, one.unified ? ' ' : ',');
            if (std::ranges::find(words, one.unified ? name : older) != words.end()) return &one;
        }
    }
    return nullptr;
}

const Hierarchy* unified_of(const std::vector<Hierarchy>& all) {
    const auto found = std::ranges::find_if(all, &Hierarchy::unified);
    return found == all.end() ? nullptr : &*found;
}

/// A group for one probe.
class Trial {
public:
    explicit Trial(const Hierarchy& in)
        : directory_(in.directory + "/jailsvc-doctor." + std::to_string(::getpid())),
          code_(::mkdir(directory_.c_str(), 0755) == 0 ? 0 : errno) {}
    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;
    ~Trial() {
        if (code_ == 0) ::rmdir(directory_.c_str());
    }
    [[nodiscard]] int code() const { return code_; }
    [[nodiscard]] const std::string& directory() const { return directory_; }

private:
    std::string directory_;
    int code_;
};

/// A hint is for what does not work.
int tell(jsv_probe& probe, int outcome, std::string_view name, std::string_view hint) {
    return jsv::report(probe, outcome, name, outcome == 0 ? hint : std::string_view());
}

std::string reason(const char* what, int code) {
    return std::string(what) + ": " + ::strerrordesc_np(code) +
           "; run the supervisor as root, in a control group of its own (under systemd: "
           "Delegate=yes)";
}

int find_kind(jsv_probe& probe) {
    const auto all = find_hierarchies();
    const bool unified = unified_of(all) != nullptr;
    const bool older = std::ranges::any_of(all, [](const auto& one) { return !one.unified; });
    const char* name = unified && older ? "control groups: v2 beside v1 (hybrid)"
                       : unified        ? "control groups: v2"
                       : older          ? "control groups: v1"
                                        : "control groups";
    return tell(probe, unified || older, name,
                "none are mounted; mount -t cgroup2 none /sys/fs/cgroup");
}

int find_controllers(jsv_probe& probe) {
    const auto all = find_hierarchies();
    std::string there;
    std::string missing;
    for (const char* name : {"memory", "cpu", "cpuset", "pids", "io"}) {
        (with_controller(all, name) != nullptr ? there : missing) += std::string(" ") + name;
    }
    return tell(probe, missing.empty(), "controllers:" + there,
                "missing:" + missing +
                    "; limits of theirs are refused: let the group above hand them on "
                    "(cgroup.subtree_control), or boot with cgroup_enable=memory");
}

/// On version 2 a group hands on only what it was told to, and what this process changes of that is
/// put back.
int try_limit(jsv_probe& probe) {
    constexpr const char* kName = "limit of tasks in a group";
    constexpr std::string_view kLimit = "77";
    const auto all = find_hierarchies();
    const Hierarchy* home = with_controller(all, "pids");
    if (home == nullptr) return tell(probe, -1, kName, "");
    const std::string handed = home->directory + "/cgroup.subtree_control";
    const bool hands_on = !home->unified || read_text(handed).find("pids") != std::string::npos;
    const int enabled = hands_on ? 0 : write_text(handed, "+pids");
    int code = enabled;
    bool held = false;
    if (code == 0) {
        const Trial trial(*home);
        code = trial.code();
        if (code == 0) code = write_text(trial.directory() + "/pids.max", kLimit);
        held = code == 0 && read_text(trial.directory() + "/pids.max").starts_with(kLimit);
    }
    if (!hands_on && enabled == 0) (void)write_text(handed, "-pids");
    return tell(probe, held, kName, reason("pids.max", code));
}

/// A program that lets nothing pass, in a group without processes.
int attach_program(const std::string& directory) {
    const bpf_insn nothing[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = reinterpret_cast<std::uint64_t>(nothing);
    load.insn_cnt = std::size(nothing);
    load.license = reinterpret_cast<std::uint64_t>("");
    const long program = ::syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    if (program < 0) return errno;
    const int group = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group < 0) return errno;
    bpf_attr attach{};
    attach.target_fd = static_cast<std::uint32_t>(group);
    attach.attach_bpf_fd = static_cast<std::uint32_t>(program);
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    return ::syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) < 0 ? errno : 0;
}

int try_devices(jsv_probe& probe) {
    constexpr const char* kName = "list of devices in a group";
    const auto all = find_hierarchies();
    int code = ENOENT;
    if (const Hierarchy* home = unified_of(all)) {
        const Trial trial(*home);
        code = trial.code() != 0 ? trial.code() : attach_program(trial.directory());
    }
    const Hierarchy* older = code == 0 ? nullptr : with_controller(all, "devices");
    if (older != nullptr && !older->unified) {
        const Trial trial(*older);
        code =
            trial.code() != 0 ? trial.code() : write_text(trial.directory() + "/devices.deny", "a");
    }
    return tell(probe, code == 0, kName, reason("neither bpf(2) nor v1's controller", code));
}

int try_pressure(jsv_probe& probe) {
    constexpr const char* kName = "trigger of pressure in a group";
    const auto all = find_hierarchies();
    const Hierarchy* home = unified_of(all);
    if (home == nullptr) {
        return tell(probe, 0, kName, "cgroup v2 is not mounted, which alone has them");
    }
    const Trial trial(*home);
    if (trial.code() != 0) return tell(probe, 0, kName, reason("mkdir", trial.code()));
    const int code = write_text(trial.directory() + "/memory.pressure", "some 150000 2000000");
    return tell(probe, code == 0, kName,
                code == ENOENT ? "the kernel tells no pressure; boot with psi=1"
                               : reason("memory.pressure", code));
}

}  // namespace

int doctor(std::size_t i, jsv_probe* probe) {
    switch (i) {
        case 0:
            return find_kind(*probe);
        case 1:
            return find_controllers(*probe);
        case 2:
            return try_limit(*probe);
        case 3:
            return try_devices(*probe);
        case 4:
            return try_pressure(*probe);
        default:
            return -ENOENT;
    }
}

}  // namespace jailsvc::cgroups
