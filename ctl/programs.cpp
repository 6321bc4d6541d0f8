#include "programs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/sys.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::size_t kMaxSaid = 16U << 20;  ///< [bytes]

Result<int> exit_code_of(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) == -1) {
        if (errno != EINTR) return fail_errno("waitpid");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int become(const Context& context, const std::string& program, std::vector<std::string> arguments) {
    const auto folder = sys::program_directory();
    if (!folder) return report(context, folder.error());
    std::vector<char*> argv;
    arguments.insert(arguments.begin(), program);
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    // PREFIX/lib/jailsvc of PREFIX/bin; a build tree has jailsvcd beside us.
    ::execv((*folder + "/" + program).c_str(), argv.data());
    ::execv((*folder + "/../lib/jailsvc/" + program).c_str(), argv.data());
    return report(context,
                  {fmt::format("{} is neither in {} nor in ../lib/jailsvc beside it; install "
                               "it again",
                               program, *folder),
                   kFailure});
}

std::vector<std::string> with_places(const Context& context, const char* verb) {
    std::vector<std::string> arguments{verb};
    if (!context.config.empty()) {
        arguments.insert(arguments.end(), {"--config", context.config});
    }
    if (!context.state.empty()) arguments.insert(arguments.end(), {"--state", context.state});
    return arguments;
}

Result<Said> listen_to(const std::function<int()>& child, Listen listen) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return fail_errno("pipe");
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const pid_t pid = ::fork();
    if (pid == -1) return fail_errno("fork");
    if (pid == 0) {
        ::dup2(writer.get(), STDOUT_FILENO);
        if (listen == Listen::kBoth) ::dup2(writer.get(), STDERR_FILENO);
        ::_exit(child());
    }
    writer = Fd();
    Said said;
    TRY(said.text, sys::read_fd(reader.get(), kMaxSaid));
    TRY(said.code, exit_code_of(pid));
    return said;
}

Result<int> run_apart(const std::function<int()>& child) {
    std::fflush(stdout);  // or the child would say it again
    const pid_t pid = ::fork();
    if (pid == -1) return fail_errno("fork");
    if (pid == 0) ::_exit(child());
    return exit_code_of(pid);
}

}  // namespace jailsvc::ctl
