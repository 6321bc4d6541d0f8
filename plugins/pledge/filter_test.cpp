// Compiled filters, by what classic BPF means: no kernel is asked.

#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

#include <jailsvc_plugin.h>

#include "fake_host.hpp"
#include "verdict.hpp"

using jailsvc::test::FakeHost;
using namespace pledge;

namespace {

/// What the table says of a call, without any BPF.
bool permits(const std::vector<Rule>& rules, std::string_view call, const Arguments& arguments) {
    return std::ranges::any_of(rules, [&](const Rule& rule) {
        return rule.call == call && std::ranges::all_of(rule.conditions(), [&](const Test& test) {
                   return (arguments[test.argument] & test.mask) == test.value;
               });
    });
}

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
