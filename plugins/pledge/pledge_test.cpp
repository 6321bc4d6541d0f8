#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <random>
#include <set>

#include <jailsvc_plugin.h>

#include "fake_host.hpp"
#include "filter.hpp"
#include "promises.hpp"

using jailsvc::test::FakeHost;
using namespace pledge;
using namespace std::string_literals;

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kNative = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif
constexpr std::uint32_t kDenied = SECCOMP_RET_ERRNO | EPERM;

/// The kernel's verdict on a call: what classic BPF means, for the few instructions that a filter
/// has (Documentation/networking/filter.rst).
std::uint32_t verdict(const std::vector<sock_filter>& program, const seccomp_data& data) {
    std::uint32_t a = 0;
    for (std::size_t pc = 0; pc < program.size(); ++pc) {
        const sock_filter& i = program[pc];
        switch (i.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                if (i.k + sizeof a > sizeof data) FAIL("reads beyond the call");
                std::memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, sizeof a);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                a &= i.k;
                break;
            case BPF_JMP | BPF_JA:
                pc += i.k;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                pc += a == i.k ? i.jt : i.jf;
                break;
            case BPF_JMP | BPF_JGT | BPF_K:
                pc += a > i.k ? i.jt : i.jf;
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                pc += a >= i.k ? i.jt : i.jf;
                break;
            case BPF_RET | BPF_K:
                return i.k;
            default:
                FAIL("an instruction that no filter of ours has: " << i.code);
        }
    }
    FAIL("ran off the end");
    return 0;
}

using Arguments = std::array<std::uint64_t, 6>;

std::uint32_t ask(const std::vector<sock_filter>& program, int number, Arguments arguments = {},
                  std::uint32_t arch = kNative) {
    seccomp_data data{};
    data.nr = number;
    data.arch = arch;
    std::ranges::copy(arguments, data.args);
    return verdict(program, data);
}

int number(std::string_view call) {
    const int known = ::seccomp_syscall_resolve_name(std::string(call).c_str());
    return known != __NR_SCMP_ERROR ? known : recent_number(call).value_or(-1);
}

/// What the table says of a call, without any BPF.
bool permits(const std::vector<Rule>& rules, std::string_view call, const Arguments& arguments) {
    return std::ranges::any_of(rules, [&](const Rule& rule) {
        return rule.call == call && std::ranges::all_of(rule.conditions(), [&](const Test& test) {
                   return (arguments[test.argument] & test.mask) == test.value;
               });
    });
}

std::vector<sock_filter> make(Promises promises, Violation violation = Violation::kErrno) {
    Filter filter = compile(promises, violation);
    REQUIRE(filter.error == "");
    return filter.program;
}

constexpr Promises kAll = (kSysvipc << 1) - 1;

/// Arguments at and around every value that a rule of the call compares with.
Arguments likely_arguments(const std::vector<Rule>& rules, std::string_view call,
                           std::mt19937_64& chance) {
    Arguments arguments{};
    for (auto& argument : arguments) {
        if (chance() % 4 == 0) argument = chance();
    }
    std::vector<const Rule*> of_call;
    for (const Rule& rule : rules) {
        if (rule.call == call) of_call.push_back(&rule);
    }
    if (of_call.empty()) return arguments;
    for (int mixed = 0; mixed < 2; ++mixed) {
        for (const Test& test : of_call[chance() % of_call.size()]->conditions()) {
            std::uint64_t& argument = arguments[test.argument];
            argument = test.value | (chance() % 3 == 0 ? chance() & ~test.mask : 0);
            if (chance() % 8 == 0) argument ^= std::uint64_t{1} << (chance() % 64);
        }
    }
    return arguments;
}

}  // namespace

TEST_CASE("pledge: the compiled filter says what the table says", "[plugin][pledge][S0.13]") {
    std::mt19937_64 chance(1);
    std::set<std::string_view> calls;
    for (const Group& group : groups()) {
        for (const Rule& rule : group.rules) calls.insert(rule.call);
    }
    std::vector<Promises> sets = {kStdio, kAll, kStdio | kRpath | kInet, kStdio | kUnix | kDns,
                                  kStdio | kRpath | kWpath | kCpath};
    for (const Name& name : names()) sets.push_back(kStdio | name.promise);
    for (int i = 0; i < 10; ++i) sets.push_back(kStdio | (chance() & kAll));
    for (const Promises promises : sets) {
        const auto program = make(promises);
        const auto rules = rules_for(promises | kExec);
        for (const std::string_view call : calls) {
            if (number(call) < 0) continue;
            for (int i = 0; i < 30; ++i) {
                const Arguments arguments = likely_arguments(rules, call, chance);
                const std::uint32_t wanted =
                    permits(rules, call, arguments) ? SECCOMP_RET_ALLOW : kDenied;
                if (ask(program, number(call), arguments) == wanted) continue;
                INFO(call << " under " << std::hex << promises);
                for (const auto argument : arguments) UNSCOPED_INFO(std::hex << argument);
                REQUIRE(ask(program, number(call), arguments) == wanted);
            }
        }
    }
}

TEST_CASE("pledge: all calls of the kernel that the table does not name are denied",
          "[plugin][pledge][E18][E21][E29]") {
    const auto program = make(kAll);
    for (const char* call : {"ptrace",
                             "process_vm_readv",
                             "process_vm_writev",
                             "pidfd_getfd",
                             "kcmp",
                             "unshare",
                             "setns",
                             "mount",
                             "umount2",
                             "pivot_root",
                             "chroot",
                             "open_tree",
                             "move_mount",
                             "fsopen",
                             "fsmount",
                             "fsconfig",
                             "fspick",
                             "mount_setattr",
                             "bpf",
                             "perf_event_open",
                             "userfaultfd",
                             "io_uring_setup",
                             "io_uring_enter",
                             "io_uring_register",
                             "kexec_load",
                             "kexec_file_load",
                             "open_by_handle_at",
                             "name_to_handle_at",
                             "keyctl",
                             "add_key",
                             "request_key",
                             "init_module",
                             "finit_module",
                             "delete_module",
                             "reboot",
                             "swapon",
                             "acct",
                             "quotactl",
                             "syslog",
                             "iopl",
                             "ioperm",
                             "modify_ldt",
                             "remap_file_pages",
                             "process_madvise",
                             "memfd_secret",
                             "fanotify_init",
                             "sethostname",
                             "mbind",
                             "uselib",
                             "lookup_dcookie",
                             "nfsservctl",
                             "vhangup",
                             "process_mrelease"}) {
        INFO(call);
        REQUIRE(number(call) >= 0);
        CHECK(ask(program, number(call)) == kDenied);
    }
    // By number, since no header here knows them: statmount, listmount, file_getattr, file_setattr.
    for (const int call : {457, 458, 468, 469}) CHECK(ask(program, call) == kDenied);
}

TEST_CASE("pledge: other architectures' calls end the process, unknown ones do not exist",
          "[plugin][pledge][E22]") {
    const auto program = make(kStdio);
    CHECK(ask(program, 1) == SECCOMP_RET_ALLOW);  // control: write
    CHECK(ask(program, 1, {}, AUDIT_ARCH_I386) == SECCOMP_RET_KILL_PROCESS);
    CHECK(ask(program, 0x40000000 | 1) == SECCOMP_RET_KILL_PROCESS);
    CHECK(ask(program, 0x40000000 | 520) == SECCOMP_RET_KILL_PROCESS);
    CHECK(ask(program, kNewestCall) == kDenied);
    for (const int call : {kNewestCall + 1, 512, 0x3fffffff, -1}) {
        CHECK(ask(program, call) == (SECCOMP_RET_ERRNO | ENOSYS));
    }
    // The C library takes clone and openat then, whose arguments can be seen.
    for (const char* call : {"clone3", "openat2"}) {
        CHECK(ask(make(kAll), number(call)) == (SECCOMP_RET_ERRNO | ENOSYS));
        CHECK(ask(make(kAll, Violation::kKill), number(call)) == (SECCOMP_RET_ERRNO | ENOSYS));
    }
    CHECK(ask(make(kStdio, Violation::kKill), number("ptrace")) == SECCOMP_RET_KILL_PROCESS);
}

TEST_CASE("pledge: no promise gives namespaces, with any argument", "[plugin][pledge][E18]") {
    const auto program = make(kAll);
    const int clone = number("clone");
    CHECK(ask(program, clone, {SIGCHLD}) == SECCOMP_RET_ALLOW);
    for (const std::uint64_t flag :
         {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS,
          CLONE_NEWCGROUP, CLONE_PARENT, CLONE_PTRACE}) {
        CHECK(ask(program, clone, {flag | SIGCHLD}) == kDenied);
    }
    // clone(2) ignores the upper half, and so no filter may be led astray by it.
    CHECK(ask(program, clone, {CLONE_NEWUSER | (1ULL << 40)}) == kDenied);
    // Without proc: threads alone, as glibc and musl make them.
    const auto threads = make(kStdio);
    CHECK(ask(threads, clone, {0x3d0f00}) == SECCOMP_RET_ALLOW);
    CHECK(ask(threads, clone, {0x7d0f00}) == SECCOMP_RET_ALLOW);
    CHECK(ask(threads, clone, {SIGCHLD}) == kDenied);
    CHECK(ask(threads, clone, {0x3d0f00 | CLONE_NEWUSER}) == kDenied);
    CHECK(ask(threads, number("fork")) == kDenied);
    CHECK(ask(threads, number("vfork")) == kDenied);
}

TEST_CASE("pledge: an int is compared as the kernel takes it, whatever is in its upper half",
          "[plugin][pledge][E23]") {
    const auto tty = make(kStdio | kTty);
    CHECK(ask(tty, number("ioctl"), {0, TIOCSCTTY}) == SECCOMP_RET_ALLOW);
    for (const std::uint64_t high : {0ULL, 1ULL << 32, ~0ULL << 32}) {
        CHECK(ask(tty, number("ioctl"), {0, TIOCSTI | high}) == kDenied);
        CHECK(ask(tty, number("ioctl"), {0, 0x541c | high}) == kDenied);  // TIOCLINUX
        CHECK(ask(tty, number("ioctl"), {0, TIOCSCTTY | high}) == SECCOMP_RET_ALLOW);
    }
    // A pointer is compared whole.
    CHECK(ask(tty, number("sendto"), {1, 0, 0, 0, 0}) == SECCOMP_RET_ALLOW);
    CHECK(ask(tty, number("sendto"), {1, 0, 0, 0, 1ULL << 32}) == kDenied);
}

TEST_CASE("pledge: a listener of the program's own is never permitted", "[plugin][pledge]") {
    const auto program = make(kAll);
    const int seccomp = number("seccomp");
    CHECK(ask(program, seccomp, {SECCOMP_SET_MODE_FILTER, 0}) == SECCOMP_RET_ALLOW);
    for (std::uint64_t flags = 8; flags < 64; flags = (flags + 1) | 8) {
        CHECK(ask(program, seccomp, {SECCOMP_SET_MODE_FILTER, flags}) == kDenied);
    }
}

TEST_CASE("pledge: signals reach the program itself, by a pid that is put in later",
          "[plugin][pledge]") {
    const auto program = make(kStdio);
    for (const char* call : {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"}) {
        CHECK(ask(program, number(call), {kOwnPid}) == SECCOMP_RET_ALLOW);
        for (const std::uint64_t pid : {0ULL, 1ULL, ~0ULL, 4242ULL}) {
            CHECK(ask(program, number(call), {pid}) == kDenied);
        }
    }
    const auto comparisons = std::ranges::count_if(program, [](const sock_filter& i) {
        return BPF_CLASS(i.code) == BPF_JMP && i.k == kOwnPid;
    });
    CHECK(comparisons > 0);
    for (const sock_filter& i : make(kAll)) CHECK(i.k != kOwnPid);  // control: nothing else has it
    CHECK(ask(make(kStdio | kProc), number("kill"), {1}) == SECCOMP_RET_ALLOW);
}

TEST_CASE("pledge: descriptors are sent by those who promise it", "[plugin][pledge]") {
    const int sendmsg = number("sendmsg"), recvmsg = number("recvmsg");
    CHECK(ask(make(kStdio), sendmsg) == kDenied);
    CHECK(ask(make(kStdio | kDns), sendmsg) == SECCOMP_RET_ALLOW);  // no Unix sockets: see flags
    CHECK(ask(make(kStdio | kDns | kUnix), sendmsg) == kDenied);
    CHECK(ask(make(kStdio | kInet | kUnix), recvmsg) == kDenied);
    CHECK(ask(make(kStdio | kUnix | kSendfd), sendmsg) == SECCOMP_RET_ALLOW);
    CHECK(ask(make(kStdio | kUnix | kSendfd), recvmsg) == kDenied);
    const auto flags = [](const std::string& promises) {
        FakeHost host;
        host.keys = {{"promises", promises}};
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        return host.ops.at(0).flags & JSV_SECCOMP_NO_UNIX_SOCKETS;
    };
    CHECK(flags("stdio dns") != 0);
    CHECK(flags("stdio inet sendfd") != 0);
    CHECK(flags("stdio") == 0);
    CHECK(flags("stdio unix inet") == 0);
    CHECK(flags("stdio inet sendfd recvfd") == 0);
}

TEST_CASE("pledge: one operation, the promises in the table's order", "[plugin][pledge]") {
    FakeHost host;
    host.keys = {{"promises", " inet\tstdio inet  rpath "s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    REQUIRE(host.ops.size() == 1);
    const auto& op = host.ops[0];
    CHECK(op.kind == JSV_OP_SECCOMP);
    CHECK(op.text[0] == "stdio rpath inet");
    CHECK(op.text[1] == "EPERM");
    CHECK((op.flags & JSV_SECCOMP_EXEC_ONCE) != 0);
    CHECK(op.blob.size() * 4 == make(kStdio | kRpath | kInet).size() * sizeof(sock_filter));

    host.keys = {{"promises", "stdio exec"s}, {"on_violation", "kill"s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK((host.ops.at(0).flags & JSV_SECCOMP_EXEC_ONCE) == 0);
    CHECK(host.ops[0].text[1] == "kill");

    host.keys.clear();
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
}

TEST_CASE("pledge: a unit adds to a profile's promises and takes from them", "[plugin][pledge]") {
    const auto promised = [](std::map<std::string, FakeHost::Value> keys) {
        FakeHost host;
        host.keys = std::move(keys);
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        return host.ops.empty() ? "no filter"s : host.ops[0].text[0];
    };
    CHECK(promised({{"promises", "stdio rpath tcp"s}, {"drop", "tcp id"s}}) == "stdio rpath");
    CHECK(promised({{"promises", "stdio rpath"s}, {"add", "flock tcp"s}}) ==
          "stdio rpath flock tcp");
    CHECK(promised({{"promises", "stdio"s}, {"add", "tcp"s}, {"drop", "tcp"s}}) == "stdio");
    CHECK(promised({{"promises", "any"s}, {"on_violation", "kill"s}}) == "no filter");
}

TEST_CASE("pledge: to learn is to be asked about all but stdio", "[plugin][pledge]") {
    FakeHost host;
    host.keys = {{"on_violation", "log"s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    REQUIRE(host.ops.size() == 1);
    CHECK(host.ops[0].flags == JSV_SECCOMP_LEARN);
    CHECK(host.ops[0].text[1] == "recorded");
    // What was promised meanwhile makes no difference, but has to be right.
    const auto blob = host.ops[0].blob;
    host.keys = {{"on_violation", "log"s}, {"promises", "stdio inet exec"s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.at(0).blob == blob);
    host.keys = {{"on_violation", "log"s}, {"promises", "stdio inte"s}};
    CHECK(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);

    const auto program = make(kStdio, Violation::kAsk);
    CHECK(ask(program, number("read")) == SECCOMP_RET_ALLOW);
    CHECK(ask(program, number("close")) == SECCOMP_RET_ALLOW);
    for (const char* call : {"execve", "execveat", "openat", "mount", "sendmsg"}) {
        CHECK(ask(program, number(call)) == SECCOMP_RET_USER_NOTIF);
    }
    CHECK(ask(program, number("clone3")) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(ask(make(kStdio), number("openat")) == kDenied);  // control
}

TEST_CASE("pledge: what cannot be promised is refused with the cure", "[plugin][pledge]") {
    const auto refusal = [](std::map<std::string, FakeHost::Value> keys, bool gains = false) {
        FakeHost host;
        host.keys = std::move(keys);
        if (gains) host.other_flags["identity.no_new_privileges"] = false;
        CHECK(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
        return host.failed_key + ": " + host.failure;
    };
    CHECK(refusal({{"promises", "stdio rpaht"s}}).starts_with("promises: \"rpaht\" is no promise"));
    CHECK(refusal({{"promises", "stdio vmm"s}}).find("KVM") != std::string::npos);
    for (const char* word : {"audio", "video", "drm", "bpf", "pf", "tape", "disklabel", "route",
                             "wroute", "ps", "vminfo", "getpw", "tmppath", "error"}) {
        CHECK(
            refusal({{"promises", "stdio "s + word}}).starts_with("promises: \""s + word + "\": "));
    }
    CHECK(refusal({{"promises", ""s}}).find("\"stdio\" is missing") != std::string::npos);
    CHECK(refusal({{"promises", "rpath"s}}).find("\"stdio\" is missing") != std::string::npos);
    CHECK(refusal({{"on_violation", "kill"s}}).find("is missing") != std::string::npos);
    CHECK(refusal({{"drop", "inet"s}}).find("is missing") != std::string::npos);
    CHECK(refusal({{"promises", "stdio"s}, {"drop", "stdio"s}}).find("\"stdio\" is missing") !=
          std::string::npos);
    CHECK(refusal({{"promises", "stdio"s}, {"add", "any"s}}).starts_with("add: \"any\""));
    CHECK(refusal({{"promises", "stdio"s}, {"exec_promises", "stdio"s}})
              .starts_with("exec_promises: "));
    CHECK(refusal({{"promises", "stdio"s}}, true).find("no_new_privileges = true") !=
          std::string::npos);
}

TEST_CASE("pledge: every call of the table has a number here", "[plugin][pledge]") {
    for (const Group& group : groups()) {
        for (const Rule& rule : group.rules) {
            INFO(rule.call);
            CHECK(rule.count <= 3);
            CHECK((rule.count == 0 || !rule.note.empty()));
            CHECK((::seccomp_syscall_resolve_name(std::string(rule.call).c_str()) !=
                       __NR_SCMP_ERROR ||
                   recent_number(rule.call).has_value()));
            CHECK(number(rule.call) <= kNewestCall);
        }
    }
}

// The holes of earlier ports of pledge(2) to Linux, each by name; the other tests cover clone and
// namespaces (`proc`), signals of threads, and descriptors with `dns`.
TEST_CASE("pledge: every call of extended attributes is covered, those of the future too",
          "[plugin][pledge]") {
    const std::vector<const char*> reading = {"getxattr",  "lgetxattr",  "fgetxattr",
                                              "listxattr", "llistxattr", "flistxattr"};
    const std::vector<const char*> writing = {"setxattr",    "lsetxattr",    "fsetxattr",
                                              "removexattr", "lremovexattr", "fremovexattr"};
    const auto read_only = make(kStdio | kRpath | kWpath | kCpath);
    const auto fattr = make(kStdio | kRpath | kFattr);
    for (const char* call : reading) {
        INFO(call);
        CHECK(ask(read_only, number(call)) == SECCOMP_RET_ALLOW);
        CHECK(ask(make(kStdio), number(call)) != SECCOMP_RET_ALLOW);
    }
    for (const char* call : writing) {
        INFO(call);
        CHECK(ask(read_only, number(call)) == kDenied);
        CHECK(ask(fattr, number(call)) == SECCOMP_RET_ALLOW);  // control: who promises it may
    }
    // setxattrat, getxattrat, listxattrat, removexattrat (Linux 6.13)
    for (int call = 463; call <= 466; ++call) {
        INFO(call);
        CHECK(ask(make(kStdio), call) != SECCOMP_RET_ALLOW);
    }
    for (const int call : {463, 466}) CHECK(ask(read_only, call) != SECCOMP_RET_ALLOW);
}

TEST_CASE("pledge: wpath alone reads nothing and creates nothing", "[plugin][pledge]") {
    const auto writes = make(kStdio | kWpath);
    const auto reads = make(kStdio | kRpath);
    const auto both = make(kStdio | kRpath | kWpath);
    const auto creates = make(kStdio | kWpath | kCpath);
    const auto opened = [](const std::vector<sock_filter>& program, std::uint64_t flags) {
        const auto plain = ask(program, number("open"), {0, flags, 0});
        CHECK(ask(program, number("openat"), {0, 0, flags, 0}) == plain);
        return plain == SECCOMP_RET_ALLOW;
    };
    CHECK(opened(writes, O_WRONLY));
    CHECK_FALSE(opened(writes, O_RDONLY));
    CHECK_FALSE(opened(writes, O_RDWR));
    CHECK_FALSE(opened(writes, O_WRONLY | O_CREAT));
    CHECK_FALSE(opened(writes, O_RDONLY | O_PATH));
    CHECK(opened(reads, O_RDONLY));  // controls
    CHECK_FALSE(opened(reads, O_WRONLY));
    CHECK_FALSE(opened(reads, O_RDONLY | O_TRUNC));
    CHECK(opened(both, O_RDWR));
    CHECK(opened(creates, O_WRONLY | O_CREAT));
    // The access mode 3 is neither reading nor writing to the kernel, and gives ioctl rights.
    CHECK_FALSE(opened(writes, O_ACCMODE));
    CHECK_FALSE(opened(reads, O_ACCMODE));
}

TEST_CASE("pledge: names are made and removed by cpath alone", "[plugin][pledge]") {
    const auto without = make(kAll & ~kCpath);
    const auto with = make(kStdio | kCpath);
    for (const char* call : {"unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "rename",
                             "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"}) {
        INFO(call);
        CHECK(ask(without, number(call)) == kDenied);
        CHECK(ask(with, number(call)) == SECCOMP_RET_ALLOW);
    }
    CHECK(ask(without, number("creat")) == kDenied);
}
