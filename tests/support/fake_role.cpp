// Stands in for jailsvcd in tests of the keeper: hands its keeper channel to the test, which then
// plays the role itself, and does what only a child of the keeper can do.
//
// Connects to STATE/fake (SOCK_SEQPACKET), sends its role's name with descriptor 3, then obeys:
//   s CODE   clone a sibling (as the jailer does) that ends at once; answers its pid, + pidfd
//   g        the same, but it lives until killed
//   o COUNT  leave so many orphans that end at once; answers COUNT
//   f        list the open descriptors; answers their number
#include <dirent.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

void send_with(int socket, const void* bytes, std::size_t size, int fd) {
    iovec part{const_cast<void*>(bytes), size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    if (::sendmsg(socket, &message, 0) < 0) ::_exit(3);
}

void spawn_sibling(int socket, bool stays, int code) {
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_PARENT | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<__u64>(&pidfd);
    const auto pid = static_cast<int>(::syscall(SYS_clone3, &args, sizeof args));
    if (pid == 0) {
        while (stays) ::pause();
        ::_exit(code);
    }
    send_with(socket, &pid, sizeof pid, pidfd);
    ::close(pidfd);
}

void leave_orphans(int socket, int count) {
    constexpr int kAtOnce = 500;
    for (int left = count; left > 0; left -= kAtOnce) {
        const pid_t parent = ::fork();
        if (parent == 0) {
            int gate[2];
            if (::pipe(gate) < 0) ::_exit(1);
            for (int i = 0; i < kAtOnce && i < left; ++i) {
                if (::fork() != 0) continue;
                ::close(gate[1]);
                char byte;
                ::_exit(::read(gate[0], &byte, 1) == 0 ? 0 : 1);  // until the parent is gone
            }
            ::_exit(0);
        }
        ::waitpid(parent, nullptr, 0);
    }
    send_with(socket, &count, sizeof count, -1);
}

void count_descriptors(int socket) {
    int count = -4;  // ".", "..", the folder itself, our socket
    DIR* folder = ::opendir("/proc/self/fd");
    while (::readdir(folder) != nullptr) ++count;
    ::closedir(folder);
    send_with(socket, &count, sizeof count, -1);
}

}  // namespace

int main(int argc, char** argv) {
    const char* state = nullptr;
    for (int i = 2; i + 1 < argc; ++i) {
        if (std::strcmp(argv[i], "--state") == 0) state = argv[i + 1];
    }
    if (state == nullptr) return 2;
    const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/fake", state);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return 4;
    send_with(socket, argv[1], std::strlen(argv[1]) + 1, 3);
    char command[32] = {};
    while (::recv(socket, command, sizeof command - 1, 0) > 0) {
        const int number = std::atoi(command + 1);
        if (*command == 's') spawn_sibling(socket, false, number);
        if (*command == 'g') spawn_sibling(socket, true, 0);
        if (*command == 'o') leave_orphans(socket, number);
        if (*command == 'f') count_descriptors(socket);
        std::memset(command, 0, sizeof command);
    }
    return 0;
}
