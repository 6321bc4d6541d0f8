#include "logger/sandbox.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <string>
#include <thread>

#include "base/fd.hpp"

using namespace jailsvc;

namespace {

constexpr int kBroken = 250;
constexpr long kConfinesFiles = 2;  ///< Landlock's version from which the logger uses it

/// What a child tried: 0, or the errno of the refusal.
using Attempt = int (*)();

/// The logs, and beside them a directory that is not; both are open to whoever tries.
std::string logs, beside;

int as_errno(long result) {
    return result == -1 ? errno : 0;
}
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
    int seen = kBroken;
    std::thread([&seen] { seen = make_unix_socket(); }).join();  // confined like its maker
    return seen == EPERM ? 0 : seen;
}

int outcome_of(Attempt attempt, bool confined) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (confined && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(kBroken);
        if (confined && !logger::confine(logs)) ::_exit(kBroken + 1);
        ::_exit(attempt());
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/// Made anew for each attempt.
class Ground {
public:
    Ground() {
        REQUIRE(::mkdtemp(path_.data()) != nullptr);
        logs = path_ + "/logs";
        beside = path_ + "/beside";
        for (const std::string& folder : {logs, beside})
            REQUIRE(::mkdir(folder.c_str(), 0700) == 0);
        for (const std::string& file : {logs + "/web.log", beside + "/old"}) {
            REQUIRE(Fd(::open(file.c_str(), O_WRONLY | O_CREAT, 0600)));
        }
    }
    ~Ground() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Ground(const Ground&) = delete;
    Ground& operator=(const Ground&) = delete;

private:
    std::string path_ = "/tmp/jailsvc-logger-XXXXXX";
};

bool confines_files() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >=
           kConfinesFiles;
}

}  // namespace

TEST_CASE("sandbox: the logger reaches nothing but its logs", "[logger][sandbox]") {
    const struct {
        const char* what;
        Attempt attempt;
        int refusal;
        bool by_landlock;
    } attempts[] = {
        {"execute a program", execute, EPERM, false},
        {"make a process", make_process, EPERM, false},
        {"make an internet socket", make_internet_socket, EPERM, false},
        {"make a unix socket", make_unix_socket, EPERM, false},
        {"make a pair of sockets", listen_there, EPERM, false},
        {"signal another process", signal_parent, EPERM, false},
        {"make a namespace", make_namespace, EPERM, false},
        {"make a file elsewhere", make_file_beside, EACCES, true},
        {"read a file elsewhere", read_file_beside, EACCES, true},
        {"remove a file elsewhere", remove_file_beside, EACCES, true},
        {"list a directory elsewhere", list_beside, EACCES, true},
        {"take a log elsewhere", take_log_out, EACCES, true},
        {"make a link among the logs", make_link_in_logs, EACCES, true},
    };
    for (const auto& row : attempts) {
        if (row.by_landlock && !confines_files()) {
            WARN("skipped: " << row.what << ": this kernel's Landlock is absent or too old");
            continue;
        }
        INFO(row.what);
        {
            const Ground ground;
            CHECK(outcome_of(row.attempt, true) == row.refusal);
        }
        const Ground ground;
        const int free = outcome_of(row.attempt, false);  // the control: without it, it can
        const bool may_be_forbidden = row.attempt == make_namespace;
        if (may_be_forbidden && free != 0) {
            WARN("skipped: this host lets nobody make user namespaces");
        } else {
            CHECK(free == 0);
        }
    }
}

TEST_CASE("sandbox: the logger can do what it is for", "[logger][sandbox]") {
    for (const Attempt attempt : {write_log, rotate_log, start_thread}) {
        const Ground ground;
        CHECK(outcome_of(attempt, true) == 0);
    }
}
