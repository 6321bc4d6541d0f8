#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "commands.hpp"
#include "enable.hpp"
#include "ipc/channel.hpp"
#include "lend.hpp"
#include "patience.hpp"
#include "terminal.hpp"

namespace jailsvc::ctl {
namespace {

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
    TRY_VOID(send_with_stdio(
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

/// The unit's own name, as root's files have it: the engine is not asked whom root means.
Result<std::string> own_name(const Context& context, const std::string& alias) {
    TRY(const Json all, ask_installed(context, {alias}));
    return all.at("units")[0].at("name").get<std::string>();
}

int run_exec(const Context& context, const ExecOptions& options) {
    auto code = run_in_jail(context, options);
    if (!code && code.error().code == kAlias) {
        const auto unit = own_name(context, options.unit);
        if (!unit) return report(context, unit.error());
        code = run_in_jail(context, {.unit = *unit, .command = options.command});
    }
    return code ? *code : report(context, code.error());
}

}  // namespace jailsvc::ctl
