// The three programs that PID 1 is one after the other: what each takes over, and what happens when
// the next one cannot be executed.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "harness.hpp"

using namespace jailsvc;
using test::as;
using test::Keeper;

namespace {

Fd sealed_state() {
    Fd memory(::memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(memory.get(), ipc::kStateSize) == 0);
    REQUIRE(::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
    return memory;
}

Fd signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signo : {SIGCHLD, SIGTERM, SIGINT, SIGPWR}) ::sigaddset(&set, signo);
    return Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

/// A program with those descriptors from 3 on, and what it says.
class Stage {
public:
    Stage(const std::string& program, std::vector<std::string> arguments, std::vector<int> fds) {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        said_ = Fd(ends[0]);
        const Fd stderr_end(ends[1]);
        std::vector<char*> argv;
        for (std::string& each : arguments) argv.push_back(each.data());
        argv.push_back(nullptr);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ != 0) return;
        sigset_t all;
        ::sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
        ::dup2(stderr_end.get(), STDERR_FILENO);
        for (int& each : fds) each = each >= 0 ? ::fcntl(each, F_DUPFD, 100) : -1;
        ::close_range(STDERR_FILENO + 1, 99, 0);
        int number = 3;
        for (const int each : fds) ::dup2(each, number++);
        ::close_range(100, ~0U, 0);
        ::execv(program.c_str(), argv.data());
        ::_exit(126);
    }
    ~Stage() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    /// Waits until it has said that.
    void expect(const std::string& text) {
        while (heard_.find(text) == std::string::npos) {
            pollfd source{said_.get(), POLLIN, 0};
            INFO("heard so far: " << heard_);
            REQUIRE(::poll(&source, 1, test::kPatienceMs) == 1);
            char buffer[512];
            const ssize_t size = ::read(said_.get(), buffer, sizeof buffer);
            REQUIRE(size > 0);
            heard_.append(buffer, static_cast<std::size_t>(size));
        }
    }
    void signal(int signo) const { REQUIRE(::kill(pid_, signo) == 0); }
    [[nodiscard]] int wait() {
        const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
        REQUIRE(test::has_ended(pidfd));
        int status = 0;
        REQUIRE(::waitpid(pid_, &status, 0) == pid_);
        pid_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    pid_t pid_ = 0;
    Fd said_;
    std::string heard_;
};

/// What the keeper finds when jailsvc-init executes it.
struct Handed {
    Fd run{::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    Fd end{::open(END_PROGRAM, O_RDONLY | O_CLOEXEC)};
    Fd control{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    Fd state = sealed_state();
    Fd signal = signals();
    [[nodiscard]] std::vector<int> all() const {
        return {run.get(), end.get(), control.get(), state.get(), signal.get()};
    }
};

const std::vector<std::string> kArguments{"jailsvc-init", "/nonexistent/jailsvcd", "role"};

void stop(Keeper& keeper, const test::Role& engine, int expected) {
    engine.hello(ipc::Role::kEngine);
    (void)engine.snapshot();
    auto done = ipc::make<ipc::ShutdownDone>();
    done.exit_code = 17;
    engine.say(done);
    const int status = keeper.wait();
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == expected);
}

void stop(Keeper& keeper, int expected) {
    stop(keeper, keeper.started("engine"), expected);
}

/// Ends the keeper when all of its first three have said who they are, to be started again.
void crash(Keeper& keeper) {
    for (const char* name : {"logger", "jailer", "engine"}) (void)keeper.started(name);
    keeper.crash();
}

std::string first_line(const std::string& path) {
    std::string line;
    std::getline(std::ifstream(path), line);
    return line;
}

}  // namespace

TEST_CASE("stages: the keeper refuses descriptors that are not what they must be", "[keeper]") {
    const Handed handed;
    const Fd unsealed(::memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(unsealed.get(), ipc::kStateSize) == 0);
    const struct {
        std::size_t place;
        int instead;
        const char* said;
    } wrongs[] = {
        {0, -1, "descriptor 3 is not the run directory"},
        {0, handed.end.get(), "descriptor 3 is not the run directory"},
        {1, handed.run.get(), "descriptor 4 is not jailsvc-end"},
        {2, handed.end.get(), "descriptor 5 is not the control socket"},
        {3, handed.end.get(), "descriptor 6 is not the state"},
        {3, unsealed.get(), "descriptor 6 is not the state"},
        {4, -1, "descriptor 7 is not the signals"},
    };
    for (const auto& wrong : wrongs) {
        std::vector<int> fds = handed.all();
        fds[wrong.place] = wrong.instead;
        Stage keeper(KEEPER_PROGRAM, kArguments, fds);
        keeper.expect(wrong.said);
        keeper.expect("start jailsvc-init");
        CHECK(keeper.wait() == 2);
    }
    Stage alone(KEEPER_PROGRAM, {"jailsvc-keeper"}, handed.all());
    alone.expect("start that");
    CHECK(alone.wait() == 2);
}

TEST_CASE("stages: with the right ones it runs, says what it cannot execute, and ends",
          "[keeper]") {
    const Handed handed;
    Stage keeper(KEEPER_PROGRAM, kArguments, handed.all());
    keeper.expect("cannot execute /nonexistent/jailsvcd: no such file (error 2)");
    keeper.expect("engine: ended with status 127; restart 1 in 100 ms");
    keeper.signal(SIGTERM);
    keeper.signal(SIGINT);
    keeper.expect("again: 2 s left");
    keeper.expect("not everything has stopped in time");
    CHECK(keeper.wait() == 1);
}

TEST_CASE("stages: the end refuses what no keeper hands over", "[keeper]") {
    const Handed handed;
    const int run = handed.run.get();
    Stage alone(END_PROGRAM, {"jailsvc-init", "0", "5", "0", "0", "0"}, {-1});
    alone.expect("descriptor 3 is not the run directory");
    CHECK(alone.wait() == 2);
    Stage wrong(END_PROGRAM, {"jailsvc-init", "9", "5", "0", "0", "0"}, {run});
    wrong.expect("start that");
    CHECK(wrong.wait() == 2);
    // The negative control: with nothing to end it leaves with the exit code.
    Stage right(END_PROGRAM, {"jailsvc-init", "0", "5", "0", "0", "0"}, {run});
    CHECK(right.wait() == 5);
}

TEST_CASE("stages: a missing part is named before anything is started", "[keeper]") {
    for (const char* name : {"jailsvc-keeper", "jailsvc-end", "jailsvcd"}) {
        Keeper keeper;
        crash(keeper);
        std::filesystem::remove(keeper.folder() + "/bin/" + name);
        keeper.start();
        const int status = keeper.wait();
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 1);
        CHECK(keeper.log().find("no " + std::string(name) + " in ") != std::string::npos);
    }
}

TEST_CASE("stages: a part that is no program is told, and ends in order", "[keeper]") {
    Keeper keeper;
    crash(keeper);
    std::ofstream(keeper.folder() + "/bin/jailsvc-keeper") << "junk";
    keeper.start();
    const int status = keeper.wait();
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 1);
    CHECK(keeper.log().find("jailsvc-keeper: Exec format error") != std::string::npos);
}

TEST_CASE("stages: without an end to execute everything is killed, and the keeper leaves with 1",
          "[keeper][process]") {
    const auto as_what = GENERATE(test::As::kSubreaper, test::As::kInit);
    if (as_what != test::As::kSubreaper && ::geteuid() != 0) {
        WARN("skipped: a keeper as PID 1 needs root for its namespaces");
        return;
    }
    Keeper keeper(as_what);
    crash(keeper);
    std::ofstream(keeper.folder() + "/bin/jailsvc-end") << "junk";
    keeper.start();
    const test::Role jailer = keeper.started("jailer");
    Fd service;
    (void)jailer.ask("g", &service);
    stop(keeper, 1);
    CHECK(keeper.log().find("cannot execute jailsvc-end: not a program") != std::string::npos);
    if (as_what == test::As::kInit) {
        CHECK(test::has_ended(service));
    } else {
        ::syscall(SYS_pidfd_send_signal, service.get(), SIGKILL, nullptr, 0);
    }
}

TEST_CASE("stages: the end needs no disk", "[keeper]") {
    Keeper keeper;
    const test::Role jailer = keeper.started("jailer");
    Fd service;
    (void)jailer.ask("g", &service);
    const test::Role engine = keeper.started("engine");  // the last of the three to be executed
    std::filesystem::remove_all(keeper.folder() + "/bin");
    stop(keeper, engine, 17);
    CHECK(test::has_ended(service));
    CHECK_FALSE(std::filesystem::exists(keeper.state() + "/run/control"));
}

TEST_CASE("stages: one process, one name, from the first program to the last", "[keeper]") {
    Keeper keeper;
    const std::string process = "/proc/" + std::to_string(keeper.pid());
    (void)keeper.started("engine");
    CHECK(first_line(process + "/comm") == "jailsvc-init");
    CHECK(first_line(process + "/cmdline").starts_with(std::string("jailsvc-init\0", 13)));
    const std::string program = std::filesystem::read_symlink(process + "/exe");
    CHECK(program.ends_with("/jailsvc-keeper"));
}
