#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "base/sys.hpp"
#include "commands.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::size_t kMaxSaid = 16U << 20;  ///< [bytes]

void print_names(const char* what, const Json& parameters, const char* key) {
    for (const auto& name : parameters.value(key, Json::array())) {
        if (!name.is_string()) continue;
        std::printf("%s: %s\n", what, printable(name.get<std::string>()).c_str());
    }
}

/// Becomes one of lib/jailsvc's programs; needs no running supervisor.
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

/// `jailsvcd ARGUMENTS`, which knows the plugins' keys.
int become_jailsvcd(const Context& context, const std::vector<std::string>& arguments) {
    return become(context, "jailsvcd", arguments);
}

/// What a child writes until it ends, both outputs together, and its exit code.
struct Said {
    std::string text;
    int code = kFailure;
};
Result<Said> listen_to(const std::function<int()>& child) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return fail_errno("pipe");
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const pid_t pid = ::fork();
    if (pid == -1) return fail_errno("fork");
    if (pid == 0) {
        ::dup2(writer.get(), STDOUT_FILENO);
        ::dup2(writer.get(), STDERR_FILENO);
        ::_exit(child());
    }
    writer = Fd();
    Said said;
    TRY(said.text, sys::read_fd(reader.get(), kMaxSaid));
    int status = 0;
    if (::waitpid(pid, &status, 0) == pid && WIFEXITED(status)) said.code = WEXITSTATUS(status);
    return said;
}

/// A program's words wrapped for --json.
int run_wrapped(const Context& context, const std::string& program,
                const std::vector<std::string>& arguments) {
    if (!context.json) return become(context, program, arguments);
    Context plain = context;
    plain.json = false;
    const auto said = listen_to([&] { return become(plain, program, arguments); });
    if (!said) return report(context, said.error());
    if (said->code != kOk) return report(context, {said->text, said->code});
    print_json({{"text", said->text}});
    return kOk;
}

std::vector<std::string> with_places(const Context& context, const char* verb) {
    std::vector<std::string> arguments{verb};
    if (!context.config.empty()) {
        arguments.insert(arguments.end(), {"--config", context.config});
    }
    if (!context.state.empty()) arguments.insert(arguments.end(), {"--state", context.state});
    return arguments;
}

}  // namespace

int run_daemon_reload(const Context& context) {
    const auto answer = ask(context, "DaemonReload", Json::object());
    if (!answer) return report(context, answer.error());
    const Json& changes = answer->reply.parameters;
    const Json errors = changes.value("errors", Json::array());
    if (context.json) {
        print_json(changes);
    } else {
        print_names("added", changes, "added");
        print_names("changed", changes, "changed");
        print_names("removed", changes, "removed");
        print_names("running with its old file", changes, "stale");
        for (const auto& warning : changes.value("warnings", Json::array())) {
            if (!warning.is_string()) continue;
            std::fprintf(stderr, "warning: %s\n", printable(warning.get<std::string>()).c_str());
        }
        for (const auto& error : errors) {
            if (!error.is_string()) continue;
            std::fprintf(stderr, "%s\n", printable_lines(error.get<std::string>()).c_str());
        }
    }
    return errors.empty() ? kOk : kFailure;
}

int run_version(const Context& context) {
    if (context.json) {
        const auto answer = ask(context, "Version", Json::object());
        if (!answer) return report(context, answer.error());
        print_json(answer->reply.parameters);
        return kOk;
    }
    std::printf("jailsvc %s\n", JAILSVC_VERSION);
    const auto answer = ask(context, "Version", Json::object());
    if (!answer) {  // the client's own version needs no supervisor
        std::fprintf(stderr, "jailsvc: %s\n", answer.error().message.c_str());
        return kOk;
    }
    std::printf("supervisor %s, plugin ABI %s, pid %d\n",
                answer->reply.parameters.value("version", "?").c_str(),
                answer->reply.parameters.value("abi", "?").c_str(),
                answer->reply.parameters.value("pid", 0));
    return kOk;
}

int run_verify(const Context& context, const VerifyOptions& options) {
    std::vector<std::string> arguments = with_places(context, "verify");
    if (context.json) arguments.emplace(arguments.begin() + 1, "--json");
    if (options.strict) arguments.emplace(arguments.begin() + 1, "--strict");
    arguments.insert(arguments.end(), options.files.begin(), options.files.end());
    return become_jailsvcd(context, arguments);
}

int run_creds(const Context& context, const std::vector<std::string>& words) {
    std::vector<std::string> arguments = with_places(context, "creds");
    if (context.json) arguments.emplace_back("--json");
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), words.begin(), words.end());
    return become_jailsvcd(context, arguments);
}

int run_doctor(const Context& context) {
    std::vector<std::string> arguments = with_places(context, "doctor");
    if (context.json) arguments.emplace_back("--json");
    if (context.colour) arguments.emplace_back("--colour");
    return become_jailsvcd(context, arguments);
}

int run_selftest(const Context& context, const std::string& profile) {
    std::vector<std::string> arguments;
    if (context.json) arguments.emplace_back("--json");
    if (!profile.empty()) arguments.insert(arguments.end(), {"--profile", profile});
    return become(context, "jailsvc-selftest", arguments);
}

int run_pledge(const Context& context, const std::string& what, const std::string& unit) {
    const std::string lib = context.state.empty() ? "/var/lib/jailsvc" : context.state + "/lib";
    return run_wrapped(context, "jailsvc-learn", {what, lib + "/learned", unit});
}

int run_explain(const Context& context, const std::string& key) {
    std::vector<std::string> arguments = with_places(context, "explain");
    if (context.json) arguments.emplace(arguments.begin() + 1, "--json");
    if (!key.empty()) arguments.push_back(key);
    return become_jailsvcd(context, arguments);
}

}  // namespace jailsvc::ctl
