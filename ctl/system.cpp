#include <cstdio>

#include "commands.hpp"
#include "programs.hpp"

namespace jailsvc::ctl {
namespace {

/// `jailsvcd ARGUMENTS`, which knows the plugins' keys.
int become_jailsvcd(const Context& context, const std::vector<std::string>& arguments) {
    return become(context, "jailsvcd", arguments);
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

}  // namespace

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
