#include "engine/sandbox.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <string>

#include "base/fd.hpp"

using namespace jailsvc;

namespace {

/// What a child tried: 0, or the errno of the refusal. Given a process of its own uid as victim.
using Attempt = int (*)(pid_t victim);

std::string folder;  // anybody may write in it

int as_errno(long result) {
    return result == -1 ? errno : 0;
}
int execute(pid_t) {
    ::execl("/bin/true", "true", nullptr);
    return errno;  // an exec that succeeds ends as /bin/true does: with 0
}
int make_process(pid_t) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    return as_errno(pid);
}
int make_file(pid_t) {
    return as_errno(::open((folder + "/new").c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600));
}
int write_file(pid_t) {
    return as_errno(::open((folder + "/old").c_str(), O_WRONLY));
}
int remove_file(pid_t) {
    return as_errno(::unlink((folder + "/old").c_str()));
}
int make_socket(pid_t) {
    return as_errno(::socket(AF_INET, SOCK_STREAM, 0));
}
int make_unix_socket(pid_t) {
    return as_errno(::socket(AF_UNIX, SOCK_STREAM, 0));
}
int signal_other(pid_t victim) {
    return as_errno(::kill(victim, SIGCONT));
}
int signal_by_pidfd(pid_t victim) {
    const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, victim, 0)));
    return as_errno(::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGCONT, nullptr, 0));
}
int make_namespace(pid_t) {
    return as_errno(::syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}
int read_file(pid_t) {
    return as_errno(::open("/etc/passwd", O_RDONLY));
}

/// Ends when whoever holds the other end of the pipe does.
pid_t start_victim() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return -1;
    const pid_t pid = ::fork();
    if (pid != 0) {
        ::close(ends[0]);
        return pid;
    }
    ::close(ends[1]);
    char byte = 0;
    (void)!::read(ends[0], &byte, 1);
    ::_exit(0);
}

int outcome_of(Attempt attempt, bool confined) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (!engine::drop_privileges()) ::_exit(250);
        const pid_t victim = start_victim();
        if (confined && !engine::deny_file_changes(folder + "/open")) ::_exit(251);
        if (confined && !engine::filter_system_calls()) ::_exit(252);
        ::_exit(attempt(victim));
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

bool has_landlock() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

}  // namespace

TEST_CASE("sandbox: the engine cannot execute, write, connect or signal", "[engine][sandbox]") {
    char name[] = "/tmp/jailsvc-sandbox-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    REQUIRE(::chmod(name, 0777) == 0);
    const std::string old = folder + "/old";
    REQUIRE(::mkdir((folder + "/open").c_str(), 0777) == 0);
    REQUIRE(::chmod((folder + "/open").c_str(), 0777) == 0);
    const struct {
        const char* what;
        Attempt attempt;
        int refusal;
        bool by_landlock;
    } attempts[] = {
        {"execute a program", execute, EPERM, false},
        {"make a process", make_process, EPERM, false},
        {"make a file", make_file, EACCES, true},
        {"open a file for writing", write_file, EACCES, true},
        {"remove a file", remove_file, EACCES, true},
        {"make an internet socket", make_socket, EPERM, false},
        {"make a unix socket", make_unix_socket, EPERM, false},
        {"signal a process of its uid", signal_other, EPERM, false},
        {"signal it by pidfd", signal_by_pidfd, EPERM, false},
        {"make a namespace", make_namespace, EPERM, false},
    };
    for (const auto& row : attempts) {
        if (row.by_landlock && !has_landlock()) {
            WARN("skipped: " << row.what << ": this kernel has no Landlock");
            continue;
        }
        INFO(row.what);
        const Fd file(::open(old.c_str(), O_WRONLY | O_CREAT, 0666));
        REQUIRE(::fchmod(file.get(), 0666) == 0);
        CHECK(outcome_of(row.attempt, true) == row.refusal);
        CHECK(outcome_of(row.attempt, false) == 0);  // the control: without it, it can
        ::unlink((folder + "/new").c_str());
    }
    CHECK(outcome_of(read_file, true) == 0);  // which is all it needs of files
    ::unlink(old.c_str());
    REQUIRE(::rmdir((folder + "/open").c_str()) == 0);
    REQUIRE(::rmdir(name) == 0);
}
