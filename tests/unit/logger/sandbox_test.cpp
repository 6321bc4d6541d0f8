#include "logger/sandbox.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <string>
#include <thread>

#include "attempts.hpp"
#include "base/fd.hpp"
#include "temp_folder.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

namespace {

constexpr long kConfinesFiles = 2;  ///< Landlock's version from which the logger uses it

/// The logs, and beside them a directory that is not; both are open to whoever tries.
std::string logs, beside;

int execute() {
    ::execl("/bin/true", "true", nullptr);
    return errno;  // an exec that succeeds ends as /bin/true does: with 0
}
int make_process() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    return as_errno(pid);
}
int make_internet_socket() {
    return as_errno(::socket(AF_INET, SOCK_STREAM, 0));
}
int make_unix_socket() {
    return as_errno(::socket(AF_UNIX, SOCK_DGRAM, 0));
}
int listen_there() {
    int ends[2];
    return as_errno(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
}
int signal_parent() {
    return as_errno(::kill(::getppid(), SIGCONT));
}
int make_namespace() {
    return as_errno(::unshare(CLONE_NEWUSER));
}
int make_file_beside() {
    return as_errno(::open((beside + "/new").c_str(), O_WRONLY | O_CREAT, 0600));
}
int read_file_beside() {
    return as_errno(::open((beside + "/old").c_str(), O_RDONLY));
}
int remove_file_beside() {
    return as_errno(::unlink((beside + "/old").c_str()));
}
int list_beside() {
    return as_errno(::open(beside.c_str(), O_RDONLY | O_DIRECTORY));
}
int take_log_out() {
    return as_errno(::rename((logs + "/web.log").c_str(), (beside + "/web.log").c_str()));
}
int make_link_in_logs() {
    return as_errno(::symlink("/etc/passwd", (logs + "/link").c_str()));
}

int write_log() {
    const Fd file(::open((logs + "/new.log").c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
    return file ? as_errno(::write(file.get(), "line\n", 5)) : errno;
}
int rotate_log() {
    const std::string own = logs + "/own";
    if (::mkdir(own.c_str(), 0700) == -1) return errno;
    if (::rename((logs + "/web.log").c_str(), (own + "/web.log").c_str()) == -1) return errno;
    return as_errno(::unlink((own + "/web.log").c_str()));
}
int start_thread() {
    int seen = 0;
    std::thread([&seen] { seen = make_unix_socket(); }).join();  // confined like its maker
    return seen == EPERM ? 0 : kNotEntered;
}

bool enter(bool confined) {
    if (!confined) return true;
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && logger::confine(logs).has_value();
}

class Ground {
public:
    Ground() {
        logs = folder_.at("logs");
        beside = folder_.at("beside");
        folder_.write("logs/web.log", "");
        folder_.write("beside/old", "");
    }

private:
    TempFolder folder_{"logger"};
};

}  // namespace

TEST_CASE("sandbox: the logger reaches nothing but its logs", "[logger][sandbox]") {
    constexpr Attempt kAttempts[] = {
        {"execute a program", execute, EPERM},
        {"make a process", make_process, EPERM},
        {"make an internet socket", make_internet_socket, EPERM},
        {"make a unix socket", make_unix_socket, EPERM},
        {"make a pair of sockets", listen_there, EPERM},
        {"signal another process", signal_parent, EPERM},
        {"make a namespace", make_namespace, EPERM, false, true},
        {"make a file elsewhere", make_file_beside, EACCES, true},
        {"read a file elsewhere", read_file_beside, EACCES, true},
        {"remove a file elsewhere", remove_file_beside, EACCES, true},
        {"list a directory elsewhere", list_beside, EACCES, true},
        {"take a log elsewhere", take_log_out, EACCES, true},
        {"make a link among the logs", make_link_in_logs, EACCES, true},
    };
    check_refused<Ground>(kAttempts, kConfinesFiles, enter);
}

TEST_CASE("sandbox: the logger can do what it is for", "[logger][sandbox]") {
    for (const auto act : {write_log, rotate_log, start_thread}) {
        const Ground ground;
        CHECK(outcome_of(act, true, enter) == 0);
    }
}
