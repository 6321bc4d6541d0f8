#include "engine/sandbox.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <string>

#include "attempts.hpp"
#include "base/fd.hpp"
#include "engine/stamps.hpp"
#include "temp_folder.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

namespace {

std::string folder;  // anybody may write in it
pid_t victim = -1;   // a process of the child's own uid

int execute() {
    ::execl("/bin/true", "true", nullptr);
    return errno;  // an exec that succeeds ends as /bin/true does: with 0
}
int make_process() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    return as_errno(pid);
}
int make_file() {
    return as_errno(::open((folder + "/new").c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600));
}
int write_file() {
    return as_errno(::open((folder + "/old").c_str(), O_WRONLY));
}
int remove_file() {
    return as_errno(::unlink((folder + "/old").c_str()));
}
int make_socket() {
    return as_errno(::socket(AF_INET, SOCK_STREAM, 0));
}
int make_unix_socket() {
    return as_errno(::socket(AF_UNIX, SOCK_STREAM, 0));
}
int signal_other() {
    return as_errno(::kill(victim, SIGCONT));
}
int signal_by_pidfd() {
    const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, victim, 0)));
    return as_errno(::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGCONT, nullptr, 0));
}
int make_namespace() {
    return as_errno(::syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}
int read_file() {
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

/// Where anybody may write, and the one directory in it where the engine may.
class Ground {
public:
    Ground() {
        folder = folder_.path();
        folder_.make_folder("open", 0777);
        folder_.write("old", "", 0666);
    }

private:
    TempFolder folder_{"sandbox", 0777};
};

bool enter(bool confined) {
    if (!engine::drop_privileges()) return false;
    victim = start_victim();
    if (!confined) return true;
    return engine::deny_file_changes(folder + "/open") && engine::filter_system_calls();
}

int write_stamp() {
    const engine::Stamps stamps(folder + "/open");
    stamps.write("web");
    stamps.write("web");  // the next run
    return stamps.read("web") ? 0 : ENOENT;
}
int write_stamp_elsewhere() {
    const engine::Stamps stamps(folder);
    stamps.write("web");
    return stamps.read("web") ? 0 : ENOENT;
}
int remove_stamp() {
    write_stamp();
    return as_errno(::unlink((folder + "/open/web").c_str()));
}
int make_folder_for_stamps() {
    return as_errno(::mkdir((folder + "/open/web").c_str(), 0700));
}

}  // namespace

TEST_CASE("sandbox: the engine cannot execute, write, connect or signal", "[engine][sandbox]") {
    constexpr Attempt kAttempts[] = {
        {"execute a program", execute, EPERM},
        {"make a process", make_process, EPERM},
        {"make a file", make_file, EACCES, true},
        {"open a file for writing", write_file, EACCES, true},
        {"remove a file", remove_file, EACCES, true},
        {"make an internet socket", make_socket, EPERM},
        {"make a unix socket", make_unix_socket, EPERM},
        {"signal a process of its uid", signal_other, EPERM},
        {"signal it by pidfd", signal_by_pidfd, EPERM},
        {"make a namespace", make_namespace, EPERM, false, true},
    };
    check_refused<Ground>(kAttempts, 1, enter);
    const Ground ground;
    CHECK(outcome_of(read_file, true, enter) == 0);  // which is all it needs of files
}

TEST_CASE("sandbox: the engine can write its stamps, there alone", "[engine][sandbox]") {
    {
        const Ground ground;
        CHECK(outcome_of(write_stamp, true, enter) == 0);
    }
    constexpr Attempt kAttempts[] = {
        {"write a stamp elsewhere", write_stamp_elsewhere, ENOENT, true},
        {"remove a stamp", remove_stamp, EACCES, true},
        {"make a directory among them", make_folder_for_stamps, EACCES, true},
    };
    check_refused<Ground>(kAttempts, 1, enter);
}
