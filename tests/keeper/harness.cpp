#include "harness.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace jailsvc::test {
namespace {

void wait_readable(int fd, const char* what) {
    pollfd source{fd, POLLIN, 0};
    INFO("waiting for " << what);
    REQUIRE(::poll(&source, 1, kPatienceMs) == 1);
}

/// One packet with at most one descriptor.
std::string receive_with(int socket, Fd& fd) {
    char bytes[64] = {};
    iovec part{bytes, sizeof bytes};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    wait_readable(socket, "a fake role");
    const ssize_t size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    REQUIRE(size > 0);
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
        int raw = -1;
        std::memcpy(&raw, CMSG_DATA(header), sizeof raw);
        fd = Fd(raw);
    }
    return {bytes, static_cast<std::size_t>(size)};
}

Fd listen_at(const std::string& path) {
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(socket.get(), 16) == 0);
    return socket;
}

/// [child] As PID 1 of the new namespaces, with a /proc of its own, or an empty one.
void enter_init_world(As as) {
    const char* type = as == As::kInit ? "proc" : "tmpfs";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) ::_exit(120);
    if (::mount(type, "/proc", type, 0, nullptr) < 0) ::_exit(121);
}

}  // namespace

void Role::wait_writable() const {
    pollfd room{channel.get(), POLLOUT, 0};
    REQUIRE(::poll(&room, 1, kPatienceMs) == 1);
}

void Role::next(ipc::Packet& packet) const {
    wait_readable(channel.get(), "a packet of the keeper");
    REQUIRE(ipc::receive(channel.get(), packet) == 0);
}

void Role::expect_silence() const {
    ipc::Packet packet;
    CHECK(ipc::receive(channel.get(), packet) == EAGAIN);
}

void Role::drained() const {
    // SIOCOUTQ: bytes that the peer has not read (unix(7)); there is no event for none left.
    for (int unread = 1, left = kPatienceMs; unread != 0; left -= 1) {
        REQUIRE(::ioctl(channel.get(), SIOCOUTQ, &unread) == 0);
        REQUIRE(left > 0);
        if (unread != 0) ::poll(nullptr, 0, 1);
    }
}

void Role::expect_end() const {
    ipc::Packet packet;
    for (int rc = 0; rc != EPIPE; rc = ipc::receive(channel.get(), packet)) {
        wait_readable(channel.get(), "the end of a channel");
    }
}

std::vector<std::unique_ptr<ipc::Packet>> Role::snapshot() const {
    std::vector<std::unique_ptr<ipc::Packet>> packets;
    for (;;) {
        auto packet = std::make_unique<ipc::Packet>();
        next(*packet);
        if (packet->as<ipc::SnapshotEnd>() != nullptr) return packets;
        packets.push_back(std::move(packet));
    }
}

int Role::ask(const std::string& command, Fd* fd) const {
    REQUIRE(::send(control.get(), command.data(), command.size(), MSG_NOSIGNAL) > 0);
    Fd unwanted;
    const std::string answer = receive_with(control.get(), fd != nullptr ? *fd : unwanted);
    int value = -1;
    REQUIRE(answer.size() == sizeof value);
    std::memcpy(&value, answer.data(), sizeof value);
    return value;
}

Keeper::Keeper(As as) : as_(as) {
    char name[] = "/tmp/keeper-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder_ = name;
    REQUIRE(::chmod(name, 0755) == 0);  // through which others than root have to get
    std::filesystem::create_directories(folder_ + "/bin");
    std::filesystem::create_directories(state());
    std::filesystem::copy_file(INIT_PROGRAM, program());
    std::filesystem::copy_file(KEEPER_PROGRAM, folder_ + "/bin/jailsvc-keeper");
    std::filesystem::copy_file(END_PROGRAM, folder_ + "/bin/jailsvc-end");
    std::filesystem::copy_file(FAKE_PROGRAM, folder_ + "/bin/jailsvcd");
    listener_ = listen_at(state() + "/fake");
    start();
}

void Keeper::start(const std::string& config) {
    const Fd log(
        ::open((folder_ + "/log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));

    clone_args args{};
    args.exit_signal = SIGCHLD;
    if (as_ != As::kSubreaper) args.flags = CLONE_NEWPID | CLONE_NEWNS;
    pid_ = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
        ::dup2(log.get(), STDERR_FILENO);
        if (as_ != As::kSubreaper) enter_init_world(as_);
        const char* option = config.empty() ? nullptr : "--config";
        ::execl(program().c_str(), "jailsvc-init", "--state", state().c_str(), option,
                config.c_str(), nullptr);
        ::_exit(122);
    }
}

/// By pid, first what the keeper is the parent of.
void Keeper::crash() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGSTOP);  // it reaps nothing any more, so that no pid below is used again
    std::ifstream file(children_file());
    for (pid_t child; file >> child;) ::kill(child, SIGKILL);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
    early_.clear();
}

Keeper::~Keeper() {
    crash();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

std::string Keeper::children_file() const {
    const std::string pid = std::to_string(pid_);
    return "/proc/" + pid + "/task/" + pid + "/children";
}

Role Keeper::started(const std::string& name) {
    while (!early_.contains(name)) {
        wait_readable(listener_.get(), name.c_str());
        Role role;
        role.control = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        role.name = receive_with(role.control.get(), role.channel).c_str();
        ucred peer{};
        socklen_t size = sizeof peer;
        REQUIRE(::getsockopt(role.control.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
        role.pid = peer.pid;
        early_[role.name] = std::move(role);
    }
    Role role = std::move(early_[name]);
    early_.erase(name);
    return role;
}

void Keeper::signal(int signo) const {
    REQUIRE(::kill(pid_, signo) == 0);
}

int Keeper::wait() {
    const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    wait_readable(pidfd.get(), "the end of the keeper");
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = 0;
    return status;
}

int Keeper::exit_code() {
    const int status = wait();
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

std::string Keeper::log() const {
    std::ostringstream text;
    text << std::ifstream(folder_ + "/log").rdbuf();
    return text.str();
}

std::size_t Keeper::descriptors() const {
    const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid_) + "/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

long Keeper::memory_kib(const std::string& what) const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/smaps_rollup");
    long kib = -1;
    for (std::string word; file >> word;) {
        if (word == what + ":") file >> kib;
    }
    return kib;
}

double Keeper::cpu_ms() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/schedstat");
    double nanoseconds = 0;
    file >> nanoseconds;
    return nanoseconds / 1e6;
}

std::size_t Keeper::children() const {
    std::ifstream file(children_file());
    std::size_t count = 0;
    for (pid_t child; file >> child;) ++count;
    return count;
}

void Keeper::wait_for_children(std::size_t count) const {
    for (int left = kPatienceMs; children() != count; left -= 5) {
        INFO("children: " << children() << ", expected " << count);
        REQUIRE(left > 0);
        ::poll(nullptr, 0, 5);  // /proc has no event for this
    }
}

bool has_ended(const Fd& pidfd) {
    pollfd source{pidfd.get(), POLLIN, 0};
    return ::poll(&source, 1, kPatienceMs) == 1;
}

int run(const std::string& program, const std::vector<std::string>& arguments) {
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        const int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, STDOUT_FILENO);
        ::dup2(null, STDERR_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(126);
    }
    const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!has_ended(pidfd)) ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace jailsvc::test
