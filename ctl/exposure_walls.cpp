// Each wall of a jail: what holds by the plan, what the kernel says of it, what it would let
// through.
#include "exposure_walls.hpp"

#include <fmt/format.h>
#include <linux/capability.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "text.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::uint64_t bit(unsigned capability) {
    return std::uint64_t{1} << capability;
}

struct NamedCapability {
    const char* name;
    std::uint64_t bit;
};
/// With one of these a process with root's uid is root, whatever else it lacks.
constexpr NamedCapability kNearRoot[] = {
    {"sys_admin", bit(CAP_SYS_ADMIN)},
    {"sys_ptrace", bit(CAP_SYS_PTRACE)},
    {"sys_module", bit(CAP_SYS_MODULE)},
    {"sys_rawio", bit(CAP_SYS_RAWIO)},
    {"sys_boot", bit(CAP_SYS_BOOT)},
    {"dac_override", bit(CAP_DAC_OVERRIDE)},
    {"dac_read_search", bit(CAP_DAC_READ_SEARCH)},
    {"fowner", bit(CAP_FOWNER)},
    {"chown", bit(CAP_CHOWN)},
    {"setuid", bit(CAP_SETUID)},
    {"setgid", bit(CAP_SETGID)},
    {"setfcap", bit(CAP_SETFCAP)},
    {"mknod", bit(CAP_MKNOD)},
    {"net_admin", bit(CAP_NET_ADMIN)},
    {"mac_admin", bit(CAP_MAC_ADMIN)},
    {"bpf", bit(CAP_BPF)},
};

/// Whoever may talk there may make the machine do anything (substrings of a bind's source).
constexpr std::string_view kPowerfulSockets[] = {"docker.sock",       "containerd.sock",
                                                 "podman.sock",       "crio.sock",
                                                 "system_bus_socket", "systemd/private"};

void expose(Wall& wall, int by, std::string how, std::string risk) {
    wall.exposed = std::min(by, wall.weight);
    wall.how = std::move(how);
    wall.risk = by > 0 ? std::move(risk) : "";
}

/// What the kernel says in the place of the plan: where it denies what was planned, nothing holds.
void ask_kernel(Wall& wall, const std::optional<bool>& holds, bool planned) {
    if (!holds) return;
    wall.basis = Wall::Basis::kKernel;
    if (*holds || !planned) return;
    wall.basis = Wall::Basis::kBroken;
    wall.exposed = wall.weight;
    wall.how = "planned, and the kernel says that it does not hold";
    wall.risk = fmt::format("do whatever \"{}\" was to keep from it", wall.name);
}

void user(const WallQuestion& ask, Wall& wall) {
    constexpr const char* kRisk = "act as root on the host wherever a uid alone counts";
    const Json* ids = ask.plan.find("ids");
    const bool mapped = ask.plan.has_namespace("user");
    const bool dynamic = ids != nullptr && PlanView::has_flag(*ids, "dynamic");
    const std::string uid = ids != nullptr ? PlanView::text(*ids, "uid") : "0";
    const bool root = !dynamic && uid == "0";
    if (dynamic) {
        expose(wall, 0, "a uid of its own", "");
    } else if (mapped) {
        expose(wall, 1, "ids of a user namespace of its own",
               "use what the kernel gives a user "
               "namespace's root");
    } else if (root) {
        expose(wall, 10, "root", kRisk);
    } else {
        expose(wall, 3, "the account of uid " + uid,
               "signal, trace and read what else runs or lies there as uid " + uid);
    }
    std::optional<bool> holds;
    if (ask.facts && ask.facts->uid) holds = *ask.facts->uid != 0;
    ask_kernel(wall, holds, !root || mapped);
}

std::string names_of(std::uint64_t set) {
    std::string names;
    for (const auto& [name, one] : kNearRoot) {
        if ((set & one) != 0) names += (names.empty() ? "" : " ") + std::string(name);
    }
    return names;
}

std::uint64_t planned_capabilities(const PlanView& plan) {
    const Json* op = plan.find("capabilities");
    if (op == nullptr) return ~std::uint64_t{0};
    const std::string text = PlanView::text(*op, "bounding");
    std::uint64_t set = ~std::uint64_t{0};
    std::from_chars(text.data(), text.data() + text.size(), set, 16);
    return set;
}

void capabilities(const WallQuestion& ask, Wall& wall) {
    const std::uint64_t planned = planned_capabilities(ask.plan);
    const bool known = ask.facts && ask.facts->bounding;
    const std::uint64_t held = known ? *ask.facts->bounding : planned;
    const bool mapped = ask.plan.has_namespace("user");
    const std::string near_root = names_of(held);
    if (held == 0) {
        expose(wall, 0, "none", "");
    } else if (mapped) {
        expose(wall, 2, "some, in its user namespace alone",
               "reach more of the kernel's code by what its user namespace allows");
    } else if (!near_root.empty()) {
        expose(wall, 12, near_root, "become root on the host in all but name, by " + near_root);
    } else {
        expose(wall, 3, "some, of no power over the host", "use the part of root's power it has");
    }
    std::optional<bool> holds;
    if (known) holds = (held & ~planned) == 0;
    ask_kernel(wall, holds, true);
}

void privileges(const WallQuestion& ask, Wall& wall) {
    const bool planned = ask.plan.find("no_new_privs") != nullptr;
    expose(wall, planned ? 0 : wall.weight, planned ? "are never gained" : "can be gained",
           "gain rights by set-user-ID programs");
    ask_kernel(wall, ask.facts ? ask.facts->no_new_privs : std::nullopt, planned);
}

std::optional<bool> own_namespace(const WallQuestion& ask, std::string_view name) {
    if (!ask.facts) return std::nullopt;
    const auto found = ask.facts->own_namespaces.find(name);
    return found == ask.facts->own_namespaces.end() ? std::nullopt : std::optional(found->second);
}

void files(const WallQuestion& ask, Wall& wall) {
    const Json* root = ask.plan.find("root");
    const bool view = ask.plan.find("view") != nullptr;
    const bool host = root != nullptr && PlanView::text(*root, "source") == "/";
    const bool read_only = root != nullptr && PlanView::has_flag(*root, "ro");
    if (root == nullptr) {
        expose(wall, 12, "the host's", "read and write the host's files as its user may");
    } else if (view) {
        expose(wall, 0, "those that the unit lists", "");
    } else if (host) {
        expose(wall, read_only ? 4 : 10, read_only ? "the host's, read-only" : "the host's",
               read_only ? "read what of the host's files everybody may read"
                         : "write to the host's files as its user may");
    } else {
        expose(wall, read_only ? 0 : 1, "a tree of its own", "leave changes in its tree");
    }
    ask_kernel(wall, own_namespace(ask, "mnt"), root != nullptr);
}

void handed_in(const WallQuestion& ask, Wall& wall) {
    std::string sockets;
    for (const Json& op : ask.plan.all()) {
        if (PlanView::text(op, "operation") != "bind") continue;
        const std::string source = PlanView::text(op, "source");
        const bool powerful = std::ranges::any_of(kPowerfulSockets, [&](std::string_view part) {
            return source.find(part) != std::string::npos;
        });
        if (powerful) sockets += (sockets.empty() ? "" : " ") + source;
    }
    if (sockets.empty()) return expose(wall, 0, "none that commands the host", "");
    expose(wall, wall.weight, sockets, "have the host do anything, by " + sockets);
}

template <std::size_t N>
struct Literal {
    char text[N];
    constexpr Literal(const char (&from)[N]) { std::ranges::copy(from, text); }  // NOLINT
};

/// A wall that is one namespace.
template <Literal Type, Literal Kernel, Literal Risk>
void isolated(const WallQuestion& ask, Wall& wall) {
    const bool planned = ask.plan.has_namespace(Type.text);
    expose(wall, planned ? 0 : wall.weight, planned ? "its own" : "the host's", Risk.text);
    ask_kernel(wall, own_namespace(ask, Kernel.text), planned);
}

void network(const WallQuestion& ask, Wall& wall) {
    const Json* own = ask.plan.find("network");
    const std::string interfaces = own != nullptr ? PlanView::text(*own, "interfaces") : "";
    const bool joined = ask.plan.find("network_join") != nullptr;
    if (joined) {
        expose(wall, 3, "another unit's", "reach what that unit reaches");
    } else if (own == nullptr) {
        expose(wall, 7, "the host's", "connect to anything, the host's own 127.0.0.1 included");
    } else if (interfaces == "private") {
        expose(wall, 2, "its own, with declared edges", "speak to the units that it declares");
    } else {
        expose(wall, 0, interfaces.empty() ? "its own" : interfaces, "");
    }
    ask_kernel(wall, own_namespace(ask, "net"), joined || own != nullptr);
}

void system_calls(const WallQuestion& ask, Wall& wall) {
    const Json* filter = ask.plan.find("seccomp_main");
    if (filter == nullptr) filter = ask.plan.find("seccomp");
    const bool enforced = filter != nullptr && !PlanView::has_flag(*filter, "learn");
    if (!enforced) {
        expose(wall, wall.weight, filter == nullptr ? "all" : "all, while it is learned",
               "try every call of the kernel, also those with a history of holes");
    } else {
        const std::string all = PlanView::text(*filter, "promises");
        int sum = 0;
        for (const char* word : {"exec", "proc", "prot_exec", "unix", "id", "sysvipc", "sendfd"}) {
            sum += has_word(all, word) ? 1 : 0;
        }
        const bool speaks = has_word(all, "inet") || has_word(all, "tcp") || has_word(all, "dns");
        sum += speaks ? 1 : 0;
        std::string risk = "do what it has promised: " + all;
        if (has_word(all, "exec")) risk += "; run other programs";
        expose(wall, sum, all, risk);
    }
    ask_kernel(wall, ask.facts ? ask.facts->filtered : std::nullopt, enforced);
}

void sockets(const WallQuestion& ask, Wall& wall) {
    const Json* landlock = ask.plan.find("landlock");
    const std::string scope = landlock != nullptr ? PlanView::text(*landlock, "scope") : "none";
    const bool apart = ask.plan.find("network") != nullptr;
    const bool held = apart || (scope != "none" && !scope.empty());
    expose(wall, held ? 0 : wall.weight, held ? "out of reach" : "the host's",
           "talk to daemons of the host by abstract sockets");
}

void paths(const WallQuestion& ask, Wall& wall) {
    const Json* landlock = ask.plan.find("landlock");
    const bool held = landlock != nullptr && PlanView::text(*landlock, "fs") != "none";
    expose(wall, held ? 0 : wall.weight, held ? "confined by Landlock" : "by mounts alone",
           "reach whatever a hole in the mounts shows");
}

void devices(const WallQuestion& ask, Wall& wall) {
    const bool held = ask.plan.find("dev") != nullptr ||
                      (ask.plan.find("root") != nullptr && ask.plan.find("view") != nullptr);
    expose(wall, held ? 0 : wall.weight, held ? "harmless ones and those it names" : "the host's",
           "open the devices that its user may open");
}

void memory(const WallQuestion& ask, Wall& wall) {
    const bool held = ask.plan.find("cgroup", "file", "memory.max") != nullptr;
    expose(wall, held ? 0 : wall.weight, held ? "limited" : "all of it",
           "use up the machine's memory");
}

void tasks(const WallQuestion& ask, Wall& wall) {
    const bool held = ask.plan.find("cgroup", "file", "pids.max") != nullptr;
    const bool by_user = ask.plan.find("rlimit", "limit", "nproc") != nullptr;
    expose(wall,
           held      ? 0
           : by_user ? 1
                     : wall.weight,
           held      ? "limited"
           : by_user ? "limited by its uid"
                     : "any number",
           by_user ? "have as many as its uid may" : "use up the machine's process ids");
}

void processor(const WallQuestion& ask, Wall& wall) {
    const bool held = ask.plan.find("cgroup", "file", "cpu.max") != nullptr;
    expose(wall, held ? 0 : wall.weight, held ? "limited" : "all of it", "keep processors busy");
}

constexpr WallRow kRows[] = {
    {"user", 10, user, "identity"},
    {"capabilities", 12, capabilities, "identity"},
    {"new privileges", 4, privileges, "identity"},
    {"files", 12, files, "chroot"},
    {"sockets handed in", 8, handed_in, "chroot"},
    {"path confinement", 3, paths, "unveil"},
    {"devices", 2, devices, "chroot"},
    {"system calls", 14, system_calls, "pledge"},
    {"processes", 5, isolated<"pid", "pid", "see and signal processes of the host">, "namespaces"},
    {"shared memory", 2, isolated<"ipc", "ipc", "reach other services' shared memory">,
     "namespaces"},
    {"host name", 1, isolated<"uts", "uts", "rename the host, with the capability for it">,
     "namespaces"},
    {"cgroup names", 1, isolated<"cgroup", "cgroup", "see where it stands in the host's groups">,
     "namespaces"},
    {"network", 7, network, "network"},
    {"abstract sockets", 2, sockets, "unveil"},
    {"memory", 3, memory, "cgroups"},
    {"tasks", 3, tasks, "cgroups"},
    {"processor", 1, processor, "cgroups"},
};

}  // namespace

std::span<const WallRow> wall_rows() {
    return kRows;
}

}  // namespace jailsvc::ctl
