// Each promise on the real kernel: a program makes one call after another, and what passes is what
// the table below says, from the promises' meaning and not from the plugin's own table.

#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "jailed.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

#define NEED_ROOT \
    if (!can_jail()) return

namespace {

using Words = std::set<std::string>;

Words words(const std::string& text) {
    std::istringstream stream(text);
    return {std::istream_iterator<std::string>(stream), {}};
}

/// A call and the sets of promises that each permit it; none: never.
struct Expected {
    const char* probe;
    std::vector<std::string> ways;
};

const Expected kExpected[] = {
    {"write_null", {"stdio"}},
    {"getpid_", {"stdio"}},
    {"pipe_", {"stdio"}},
    {"socketpair_", {"stdio"}},
    {"map", {"stdio"}},
    {"map_exec", {"prot_exec"}},
    {"protect_exec", {"prot_exec"}},
    {"kill_self", {"stdio"}},
    {"tgkill_self", {"stdio"}},
    {"kill_other", {"proc"}},
    {"kill_group", {"proc"}},
    {"tgkill_other", {"proc"}},
    {"tkill_other", {"proc"}},
    {"queue_other", {"proc"}},
    {"pidfd", {"proc"}},
    {"limits_own", {"stdio"}},
    {"limits_set", {"proc", "id"}},
    {"limits_other", {}},
    {"isatty_", {"stdio"}},
    {"tty_set", {"tty"}},
    {"tty_type", {}},
    {"tty_type_high", {}},
    {"tty_linux", {}},
    {"open_read", {"rpath"}},
    {"open_read_old", {"rpath"}},
    {"open_write", {"wpath"}},
    {"open_both", {"rpath wpath"}},
    {"open_path", {"rpath"}},
    {"open_path_write", {}},
    {"open_three", {}},
    {"open_truncate", {}},
    {"open_how", {}},
    {"make_read", {"rpath cpath"}},
    {"make_write", {"wpath cpath"}},
    {"make_both", {"rpath wpath cpath"}},
    {"make_temporary", {"wpath cpath"}},
    {"make_suid", {}},
    {"make_sgid", {}},
    {"creat_", {"wpath cpath"}},
    {"creat_suid", {}},
    {"stat_", {"rpath"}},
    {"statx_", {"rpath"}},
    {"fstat_", {"stdio"}},
    {"readlink_", {"rpath"}},
    {"access_", {"rpath"}},
    {"chdir_", {"rpath"}},
    {"getxattr_", {"rpath"}},
    {"listxattr_", {"rpath"}},
    {"getxattrat_", {"rpath"}},
    {"setxattr_", {"fattr"}},
    {"lsetxattr_", {"fattr"}},
    {"fsetxattr_", {"fattr"}},
    {"setxattrat_", {"fattr"}},
    {"removexattr_", {"fattr"}},
    {"removexattrat_", {"fattr"}},
    {"truncate_", {"wpath"}},
    {"unlink_", {"cpath"}},
    {"rmdir_", {"cpath"}},
    {"rename_", {"cpath"}},
    {"rename_whiteout", {}},
    {"link_", {"cpath"}},
    {"symlink_", {"cpath"}},
    {"mkdir_", {"cpath"}},
    {"mkdir_sgid", {}},
    {"mkfifo_", {"dpath"}},
    {"mkfifo_suid", {}},
    {"chmod_", {"fattr"}},
    {"chmod_suid", {}},
    {"fchmod_sgid", {}},
    {"fchmodat_suid", {}},
    {"fchmodat2_", {"fattr"}},
    {"fchmodat2_suid", {}},
    {"utimensat_", {"fattr"}},
    {"chown_", {"chown"}},
    {"fchownat_", {"chown"}},
    {"flock_", {"flock"}},
    {"fcntl_lock", {"flock"}},
    {"fcntl_owner", {"proc"}},
    {"fcntl_lease", {}},
    {"tcp4", {"inet", "tcp", "dns"}},
    {"tcp6", {"inet", "tcp", "dns"}},
    {"udp4", {"inet", "dns"}},
    {"sctp", {}},
    {"unix_", {"unix"}},
    {"netlink", {}},
    {"vsock", {}},
    {"alg", {}},
    {"bind_", {"inet", "tcp", "unix", "dns"}},
    {"connect_", {"inet", "tcp", "unix", "dns"}},
    {"listen_", {"inet", "tcp", "unix"}},
    {"accept_", {"inet", "tcp", "unix"}},
    {"send_", {"stdio"}},
    {"send_to", {"inet", "tcp", "unix", "dns"}},
    // "-unix": only where that is not promised.
    {"sendmsg_", {"sendfd", "inet -unix", "tcp -unix", "dns -unix"}},
    {"sendmmsg_", {"sendfd", "inet -unix", "tcp -unix", "dns -unix"}},
    {"recvmsg_", {"recvfd", "inet -unix", "tcp -unix", "dns -unix"}},
    {"recvmmsg_", {"recvfd", "inet -unix", "tcp -unix", "dns -unix"}},
    {"option_reuse", {"inet", "tcp", "unix", "dns"}},
    {"option_nodelay", {"inet", "tcp", "dns"}},
    {"option_filter", {}},
    {"option_join", {"mcast"}},
    {"option_get", {"inet", "tcp", "unix", "dns"}},
    {"fork_", {"proc"}},
    {"clone_", {"proc"}},
    {"clone_user", {}},
    {"clone_user_high", {}},
    {"clone_parent", {}},
    {"clone3_", {}},
    {"unshare_", {}},
    {"unshare_user", {}},
    {"setns_", {}},
    {"getsid_", {"stdio"}},
    {"setpgid_", {"proc"}},
    {"nice_", {"proc", "id"}},
    {"exec_", {"exec"}},
    {"execveat_", {"exec"}},
    {"setuid_", {"id"}},
    {"capset_", {"id"}},
    {"settime", {"settime"}},
    {"landlock", {"unveil"}},
    {"filter_", {"unveil"}},
    {"filter_listener", {}},
    {"shmget_", {"sysvipc"}},
    {"shmat_exec", {}},
    {"mq_open_", {"sysvipc"}},
    {"name_get", {"stdio"}},
    {"tracer", {}},
    {"personality_", {"stdio"}},
    {"personality_exec", {}},
    {"ptrace_", {}},
    {"read_memory", {}},
    {"getfd", {}},
    {"kcmp_", {}},
    {"keyctl_", {}},
    {"add_key_", {}},
    {"perf", {}},
    {"faults", {}},
    {"uring", {}},
    {"uring_enter", {}},
    {"handle", {}},
    {"mount_", {}},
    {"open_tree_", {}},
    {"mount_setattr_", {}},
    {"newer", {}},
};
/// Denied to an ordinary process by something else too, so that they prove nothing: bpf by a
/// sysctl, the others for want of a capability.
const Words kProveNothing = {"packet",     "bpf_",        "setgroups_",
                             "memory_map", "move_mount_", "fsopen_"};

bool grants(const std::string& way, const Words& promises) {
    return std::ranges::all_of(words(way), [&](const std::string& word) {
        return word.starts_with('-') ? !promises.contains(word.substr(1)) : promises.contains(word);
    });
}

bool passes(const Expected& expected, const Words& promises) {
    return std::ranges::any_of(expected.ways,
                               [&](const auto& way) { return grants(way, promises); });
}

/// A Site with the prober in it.
struct Probing {
    Site site;
    std::string program = site.directory() + "/open/prober";

    Probing() {
        std::filesystem::copy_file(JAILSVC_PROBER, program);
        REQUIRE(::chmod(program.c_str(), 0755) == 0);
    }
    /// What became of each call.
    std::map<std::string, std::string> probe(const std::string& jail) {
        const Ran ran = site.execute(jail, {program});
        INFO(jail);
        REQUIRE(ran.error == "");
        REQUIRE(ran.status == 0);
        std::map<std::string, std::string> results;
        std::istringstream lines(ran.output);
        for (std::string name, result; lines >> name >> result;) results[name] = result;
        return results;
    }
};

std::string pledge(const std::string& promises) {
    return "[jail.pledge]\npromises = \"" + promises + "\"\n";
}

bool denied(const std::string& result) {
    return result == "EPERM" || result == "ENOSYS";
}

/// Probes of calls that the kernel itself has not: they prove nothing here.
const Words& unknown_here(Probing& probing) {
    static const Words unknown = [&] {
        Words names;
        for (const auto& [name, result] : probing.probe(pledge("any"))) {
            if (result == "ENOSYS" && name != "newer") names.insert(name);
        }
        return names;
    }();
    for (const std::string& name : unknown) WARN("skipped: this kernel is older than " << name);
    return unknown;
}

}  // namespace

TEST_CASE("pledge: without a filter every probe gets past the system call", "[pledge][control]") {
    NEED_ROOT;
    Probing probing;
    const auto results = probing.probe(pledge("any"));
    const Words& unknown = unknown_here(probing);
    Words expected = kProveNothing;
    for (const Expected& row : kExpected) {
        INFO(row.probe << " " << results.at(row.probe));
        if (row.probe != std::string("newer") && !unknown.contains(row.probe))
            CHECK_FALSE(denied(results.at(row.probe)));
        expected.insert(row.probe);
    }
    for (const auto& [name, result] : results) {
        INFO(name);
        CHECK(expected.contains(name));
    }
}

TEST_CASE("pledge: each promise permits what it means and nothing else",
          "[pledge][S0.13][E18][E19][E20][E21][E23][E26][E29]") {
    NEED_ROOT;
    Probing probing;
    const std::string promises = GENERATE(
        "stdio", "stdio rpath", "stdio wpath", "stdio cpath", "stdio rpath wpath",
        "stdio rpath cpath", "stdio wpath cpath", "stdio rpath wpath cpath", "stdio dpath",
        "stdio fattr", "stdio chown", "stdio flock", "stdio inet", "stdio tcp", "stdio mcast",
        "stdio unix", "stdio inet unix", "stdio dns", "stdio sendfd", "stdio recvfd", "stdio tty",
        "stdio proc", "stdio exec", "stdio prot_exec", "stdio id", "stdio settime", "stdio unveil",
        "stdio sysvipc", "stdio proc exec", "stdio inet rpath dns",
        "stdio rpath wpath cpath dpath fattr chown flock inet tcp mcast unix dns sendfd recvfd tty "
        "proc exec prot_exec id settime unveil sysvipc");
    const auto results = probing.probe(pledge(promises));
    const Words& unknown = unknown_here(probing);
    const Words promised = words(promises);
    for (const Expected& row : kExpected) {
        if (unknown.contains(row.probe)) continue;
        INFO(promises << ": " << row.probe << " " << results.at(row.probe));
        CHECK(denied(results.at(row.probe)) == !passes(row, promised));
    }
    for (const std::string& name : kProveNothing) CHECK(denied(results.at(name)));
}

TEST_CASE("pledge: a violation can end the process", "[pledge]") {
    NEED_ROOT;
    Probing probing;
    // rpath: a static program of glibc's asks where it lies (readlink) before main.
    const std::string kill = pledge("stdio rpath") + "on_violation = \"kill\"\n";
    const Ran ended = probing.site.execute(kill, {probing.program, "getpid_", "open_write"});
    CHECK(ended.error == "");
    CHECK(ended.output == "getpid_ ok\n");
    CHECK((WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGSYS));
    // The control, and what libraries ask for and can do without.
    const Ran fine =
        probing.site.execute(kill, {probing.program, "getpid_", "clone3_", "open_how"});
    CHECK(fine.output == "getpid_ ok\nopen_how ENOSYS\nclone3_ ENOSYS\n");
    CHECK(fine.status == 0);
}

TEST_CASE("pledge: calls by another architecture's door end the process", "[pledge][E22]") {
    NEED_ROOT;
    Probing probing;
    const auto end = [&](const std::string& jail, const char* door) {
        const Ran ran = probing.site.execute(jail, {probing.program, "door", door});
        REQUIRE(ran.error == "");
        return ran.status;
    };
    for (const char* door : {"int80", "x32"}) {
        const int status = end(pledge("stdio rpath"), door);
        CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS));
        if (end("", door) != 0) WARN("skipped: the control: this kernel has no door " << door);
    }
    CHECK(end(pledge("stdio rpath"), "native") == 0);
}
