#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "commands.hpp"
#include "ipc/channel.hpp"
#include "patience.hpp"
#include "terminal.hpp"

namespace jailsvc::ctl {
namespace {

/// A packet socket pair whose both ends stamp credentials on what they receive, so that the jailer
/// learns from the kernel that root sent the command (unix(7), SO_PASSCRED).
Result<std::pair<Fd, Fd>> credential_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1) {
        return fail_errno("socketpair");
    }
    std::pair<Fd, Fd> pair{Fd(ends[0]), Fd(ends[1])};
    const int on = 1;
    for (const int end : ends) {
        if (::setsockopt(end, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1) {
            return fail_errno("SO_PASSCRED");
        }
    }
    return pair;
}

std::string encode_request(const std::string& unit, const std::vector<std::string>& command,
                           const std::vector<std::string>& environment, bool own_terminal) {
    ipc::ExecRequest header{};
    header.magic = ipc::ExecRequest::kMagic;
    header.argc = static_cast<std::uint32_t>(command.size());
    header.envc = static_cast<std::uint32_t>(environment.size());
    header.own_terminal = own_terminal ? 1 : 0;
    ipc::set_text(header.unit, unit);
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    for (const auto* list : {&command, &environment}) {
        for (const auto& text : *list) bytes.append(text.c_str(), text.size() + 1);
    }
    return bytes;
}

Result<void> send_request(int socket, const std::string& bytes, const int (&stdio)[3]) {
    if (bytes.size() > ipc::kMaxExecRequest) return fail("the command is too long", kUsage);
    // The default buffer may be smaller than the largest request (socket(7), SO_SNDBUF).
    const int size = static_cast<int>(ipc::kMaxExecRequest);
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof stdio)] = {};
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof stdio);
    std::memcpy(CMSG_DATA(rights), stdio, sizeof stdio);
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) == -1) return fail_errno("send the command");
    return {};
}

/// 128+N for a signal, as shells say it.
int exit_code_of(const Json& parameters) {
    const Json exit = parameters.value("exit", Json::object());
    const int code = exit.value("code", kFailure);
    return exit.value("kind", "") == "killed" ? 128 + code : code;
}

Result<int> run_in_jail(const Context& context, const ExecOptions& options) {
    TRY(auto pair, credential_pair());
    TRY(control::Client client, connect(context));
    const char* term = ::getenv("TERM");
    std::vector<std::string> environment;
    if (term != nullptr) environment.push_back(fmt::format("TERM={}", term));

    // On a terminal the command gets a pseudo-terminal of its own: a jail that holds the user's
    // own could push input into it (TIOCSTI, TIOCLINUX).
    TRY(Terminal terminal, Terminal::open_if_interactive());
    const int stdio[3] = {terminal.inner(STDIN_FILENO), terminal.inner(STDOUT_FILENO),
                          terminal.inner(STDERR_FILENO)};
    // The command waits in the pair until the jailer reads it: the order of these two is free.
    TRY_VOID(send_request(
        pair.first.get(),
        encode_request(options.unit, options.command, environment, terminal.interactive()), stdio));
    TRY_VOID(client.send("Exec", {{"unit", options.unit}}, {pair.second.get()}));
    pair.second = Fd();
    terminal.forget_inner();
    // A command may run for ever, so a silent supervisor is told of and waited for all the same.
    Patience patience(socket_of(context));
    while (!terminal.relay(client.socket(), kLookMs)) patience.look();
    TRY(control::Answer answer, checked(client.receive()));
    return exit_code_of(answer.reply.parameters);
}

}  // namespace

int run_exec(const Context& context, const ExecOptions& options) {
    const auto code = run_in_jail(context, options);
    return code ? *code : report(context, code.error());
}

}  // namespace jailsvc::ctl
