#include "selftest/cases.hpp"

namespace jailsvc::selftest {
namespace {

/// Of the profiles' own words, see units/profiles/.
const std::vector<Except> kUnfiltered{{"trusted", "has no filter of system calls"}};
const std::vector<Except> kSharesNetwork{{"default", "has the host's network"},
                                         {"trusted", "has the host's network"}};
const std::vector<Except> kOwnIds{{"builder", "has a user namespace, whose ids are its own"}};

/// A file of the host that is opened, and never written.
Case writes(const char* name, const char* number, const char* about, const std::string& path) {
    return {.name = name, .number = number, .about = about, .trick = "opens-for-writing " + path};
}
Case reads(const char* name, const char* number, const char* about, const std::string& path) {
    return {.name = name, .number = number, .about = about, .trick = "opens-for-reading " + path};
}

std::vector<Case> files_of_the_kernel() {
    return {
        writes("core-pattern", "E16", "names the program that the kernel runs at a crash",
               "/proc/sys/kernel/core_pattern"),
        writes("modprobe", "E16", "names the program that the kernel loads modules with",
               "/proc/sys/kernel/modprobe"),
        writes("hostname", "E16", "renames the host", "/proc/sys/kernel/hostname"),
        writes("sysrq", "E16", "reboots the machine", "/proc/sysrq-trigger"),
        writes("uevent-helper", "E16", "names the program that the kernel runs for a device",
               "/sys/kernel/uevent_helper"),
        writes("sysfs", "E16", "changes the kernel's settings",
               "/sys/kernel/mm/transparent_hugepage/enabled"),
        writes("cgroup-v2", "E15", "leaves its control group", "/sys/fs/cgroup/cgroup.procs"),
        writes("cgroup-hybrid", "E15", "leaves its control group",
               "/sys/fs/cgroup/unified/cgroup.procs"),
        writes("cgroup-v1", "E15", "names the program that the kernel runs for an empty group",
               "/sys/fs/cgroup/memory/release_agent"),
        {.name = "kcore",
         .number = "E16",
         .about = "reads the kernel's memory",
         .trick = "reads-a-byte /proc/kcore"},
        reads("mem", "E17", "reads the machine's memory", "/dev/mem"),
        writes("kmsg", "E17", "writes the kernel's log", "/dev/kmsg"),
        writes("passwd", "E13", "makes users", "/etc/passwd"),
        reads("shadow", "E13", "reads passwords", "/etc/shadow"),
    };
}

std::vector<Case> neighbours() {
    return {
        {.name = "init-root",
         .number = "E19",
         .about = "reaches the root directory of the jail's init, or of the host's",
         .trick = "lists /proc/1/root/",
         .control_trick = "of-child lists root/"},
        {.name = "init-environment",
         .number = "E19",
         .about = "reads the environment of its init",
         .trick = "opens-for-reading /proc/1/environ",
         .control_trick = "of-child opens-for-reading environ"},
        {.name = "init-memory",
         .number = "E19",
         .about = "reads the memory of its init",
         .trick = "opens-for-reading /proc/1/mem",
         .control_trick = "of-child opens-for-reading mem"},
        {.name = "init-namespace",
         .number = "E18",
         .about = "enters the mount namespace of its init",
         .trick = "enters-namespace /proc/1/ns/mnt",
         .control_trick = "of-child enters-namespace ns/mnt"},
        {.name = "init-traced",
         .number = "E19",
         .about = "traces its init",
         .trick = "traces 1",
         .control_trick = "traces-child"},
        {.name = "init-read",
         .number = "E19",
         .about = "reads the memory of its init by process_vm_readv",
         .trick = "reads-memory 1",
         .control_trick = "reads-child"},
        {.name = "init-descriptor",
         .number = "E19",
         .about = "takes a descriptor of its init",
         .trick = "takes-descriptor 1",
         .control_trick = "takes-from-child"},
        {.name = "leaked-descriptor",
         .number = "E2",
         .about = "finds a directory of the host open",
         .trick = "uses-descriptor @DESCRIPTOR@",
         .control = Control::kBeside},
        {.name = "keyring",
         .number = "E20",
         .about = "reads a key of whoever started the supervisor",
         .trick = "reads-key @KEY@",
         .control = Control::kBeside},
        {.name = "abstract-socket",
         .number = "E24",
         .about = "talks to a daemon of the host by an abstract socket",
         .trick = "calls-abstract @SOCKET@",
         .control = Control::kBeside,
         .except = kSharesNetwork},
    };
}

std::vector<Case> mounts() {
    std::vector<Case> all{
        {.name = "chroot",
         .number = "E12",
         .about = "leaves its root directory by a second chroot",
         .trick = "breaks-out @MARKER@",
         .control_trick = "breaks-out-of-chroot @MARKER@ @CAGE@"},
        {.name = "device",
         .number = "E17",
         .about = "makes a device and opens it",
         .trick = "makes-device @DIR@/null"},
        {.name = "device-in-tmp",
         .number = "E17",
         .about = "makes a device in a directory of its own and opens it",
         .trick = "makes-device /tmp/null",
         .control_trick = "makes-device @DIR@/null"},
        {.name = "unmount",
         .number = "E13",
         .about = "uncovers what is hidden from it",
         .trick = "unmounts /home",
         .control = Control::kAdmin},
        {.name = "unmount-in-user-namespace",
         .number = "E13",
         .about = "uncovers what is hidden from it, as root of a user namespace",
         .trick = "unmounts-in-user-namespace /home",
         .control = Control::kAdmin,
         .control_trick = "unmounts /home"},
        {.name = "remount",
         .number = "E14",
         .about = "makes what is read-only writable",
         .trick = "remounts /",
         .control = Control::kAdmin,
         .control_trick = "remounts /tmp"},
        {.name = "remount-in-user-namespace",
         .number = "E14",
         .about = "makes what is read-only writable, as root of a user namespace",
         .trick = "remounts-in-user-namespace /",
         .control = Control::kAdmin,
         .control_trick = "remounts /tmp"},
        {.name = "proc",
         .number = "E8",
         .about = "mounts a proc without what is covered in its own",
         .trick = "mounts-in-user-namespace proc",
         .control = Control::kAdmin,
         .control_trick = "mounts proc"},
        {.name = "release-agent",
         .number = "E15",
         .about = "names the program that the kernel runs for an empty group (CVE-2022-0492)",
         .trick = "names-release-agent /tmp",
         .control_trick = "names-release-agent @DIR@/groups"},
        {.name = "release-agent-in-user-namespace",
         .number = "E15",
         .about = "the same, as root of a user namespace",
         .trick = "names-release-agent-in-user-namespace /tmp",
         .control_trick = "names-release-agent @DIR@/groups"},
        {.name = "new-mount-calls",
         .number = "E29",
         .about = "mounts by the system calls that old filters do not know",
         .trick = "calls fsopen"},
        {.name = "clone-of-the-tree",
         .number = "E29",
         .about = "clones its root with open_tree",
         .trick = "calls open_tree"},
        {.name = "file-handle",
         .number = "E21",
         .about = "opens a file of the host by its handle",
         .trick = "calls open_by_handle_at"},
    };
    return all;
}

std::vector<Case> rights() {
    return {
        {.name = "user-namespace",
         .number = "E18",
         .about = "makes a user namespace, in which it has every capability",
         .trick = "mounts-in-user-namespace tmpfs",
         .except = kUnfiltered},
        {.name = "user-namespace-by-clone3",
         .number = "E18",
         .about = "the same by a call that an old filter does not know",
         .trick = "calls clone3",
         .except = kUnfiltered},
        {.name = "set-user-id",
         .number = "E26",
         .about = "becomes root by a set-user-ID program of the host",
         .trick = "gains-root @OPEN@/gainer",
         .control = Control::kBeside},
        {.name = "groups",
         .number = "E27",
         .about = "gives itself groups",
         .trick = "sets-groups",
         .except = kOwnIds},
        {.name = "capabilities",
         .number = "E28",
         .about = "has a capability, or may inherit one",
         .trick = "has-capability",
         .except = {{"builder", "is given some, which hold in its user namespace alone"}}},
        {.name = "bpf",
         .number = "E21",
         .about = "loads code into the kernel",
         .trick = "calls bpf"},
        {.name = "perf",
         .number = "E21",
         .about = "watches the kernel by perf_event_open",
         .trick = "calls perf_event_open",
         .except = kUnfiltered},
        {.name = "userfaultfd",
         .number = "E21",
         .about = "makes the kernel wait in the middle of a copy",
         .trick = "calls userfaultfd",
         .except = kUnfiltered},
        {.name = "io-uring",
         .number = "E21",
         .about = "has system calls made that its filter does not see",
         .trick = "calls io_uring_setup",
         .except = kUnfiltered},
        {.name = "int80",
         .number = "E22",
         .about = "calls by the numbers of another architecture",
         .trick = "calls int80",
         .except = kUnfiltered},
        {.name = "x32",
         .number = "E22",
         .about = "calls by the numbers of x32",
         .trick = "calls x32",
         .except = kUnfiltered},
    };
}

/// More of the machine than a unit is given, by its own tables.
std::vector<Case> limits() {
    return {
        {.name = "memory",
         .number = "E30",
         .about = "uses more memory than memory_max",
         .trick = "uses-memory 96",
         .jail = "[jail.cgroups]\nmemory_max = \"32M\"\nmemory_swap_max = 0\n"},
        {.name = "fork-bomb",
         .number = "E30",
         .about = "has more processes than tasks_max",
         .trick = "forks 64",
         .jail = "[jail.cgroups]\ntasks_max = 16\n"},
        {.name = "processor",
         .number = "E30",
         .about = "uses more processor time than cpu_quota",
         .trick = "burns 60",
         .jail = "[jail.cgroups]\ncpu_quota = \"20%\"\n"},
        {.name = "descriptors",
         .number = "E30",
         .about = "opens more files than limits.nofile",
         .trick = "opens-many 256",
         .jail = "[jail.identity.limits]\nnofile = \"64\"\n"},
    };
}

}  // namespace

const std::vector<Case>& cases() {
    static const std::vector<Case> all = [] {
        std::vector<Case> joined;
        for (const auto& part :
             {files_of_the_kernel(), neighbours(), mounts(), rights(), limits()}) {
            joined.insert(joined.end(), part.begin(), part.end());
        }
        return joined;
    }();
    return all;
}

const std::vector<Profile>& profiles() {
    static const std::vector<Profile> all{
        {"default", ""},
        {"untrusted", ""},
        {"trusted", "[jail.identity]\nuser = \"nobody\"\n"},
        {"minimal", "[jail.unveil]\n\"@OPEN@\" = \"rx\"\n"},
        {"builder", "[jail.chroot]\nmode = \"host\"\nread_only = true\n"}};
    return all;
}

}  // namespace jailsvc::selftest
