#include "run.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/clock.hpp"
#include "ipc/channel.hpp"
#include "job_wait.hpp"
#include "lend.hpp"
#include "patience.hpp"
#include "programs.hpp"
#include "site_write.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

Json wish_of(const RunOptions& options) {
    Json wish{{"name", options.name},
              {"environment", options.environment},
              {"properties", options.properties},
              {"stdin", options.stdin_},
              {"terminal", options.tty}};
    std::vector<std::string> timer = options.timer;
    const std::pair<const char*, const std::string*> shorter[] = {
        {"on_active", &options.on_active},
        {"on_calendar", &options.on_calendar},
        {"every", &options.every}};
    for (const auto& [key, text] : shorter) {
        if (!text->empty()) timer.push_back(fmt::format("{}={}", key, *text));
    }
    wish["timer"] = timer;
    if (!options.profile.empty()) wish["profile"] = options.profile;
    if (!options.keep.empty()) wish["keep"] = options.keep;
    if (!options.output_cap.empty()) wish["output_cap"] = options.output_cap;
    if (options.tty) {
        const char* term = std::getenv("TERM");
        if (term != nullptr) wish["environment"].push_back(fmt::format("TERM={}", term));
    }
    return wish;
}

/// The unit file that `jailsvcd transient` makes of what was asked for.
Result<Json> ask_for_file(const Context& context, const RunOptions& options) {
    Context plain = context;
    plain.json = false;
    std::vector<std::string> arguments = with_places(context, "transient");
    arguments.emplace_back("--");
    arguments.push_back(wish_of(options).dump(-1, ' ', false, Json::error_handler_t::replace));
    arguments.insert(arguments.end(), options.command.begin(), options.command.end());
    TRY(const Said said,
        listen_to([&] { return become(plain, "jailsvcd", arguments); }, Listen::kOutputOnly));
    Json told = Json::parse(said.text, nullptr, false);
    if (!told.is_object()) {
        return fail("jailsvcd is of another version; install it again", kFailure);
    }
    if (said.code == 0) return told;
    std::string errors;
    for (const auto& error : told.value("errors", std::vector<std::string>())) {
        errors += (errors.empty() ? "" : "\n") + error;
    }
    return fail(errors, said.code);
}

/// The file of a job that was not started.
void take_back(const Context& context, const SiteFile& file, const std::string& unit) {
    (void)remove_site_file(file);
    // It may have been loaded.
    auto client = control::Client::connect(socket_of(context));
    if (client) (void)client->call("RemoveJobs", {{"units", {unit}}});
}

void tell_truncation(const std::string& unit, const Json& job) {
    const auto dropped = job.value("output_dropped", std::uint64_t{0});
    if (dropped == 0) return;
    std::fprintf(stderr, "jailsvc: %s: its output was truncated: %llu bytes were dropped\n",
                 printable(unit).c_str(), static_cast<unsigned long long>(dropped));
}

/// 128+N for a signal, as shells say it.
int code_of(const Context& context, const std::string& unit, const Json& job) {
    const Json exit = job.value("exit", Json());
    if (exit.is_object()) {
        const int code = exit.value("code", kFailure);
        return exit.value("kind", "") == "exited" ? code : 128 + code;
    }
    if (job.value("state", "") != "failed") return kOk;  // a job of a timer that never ran
    const std::string why = job.value("because", "");
    if (!context.json) {
        std::fprintf(stderr, "jailsvc: %s: %s\n", printable(unit).c_str(), printable(why).c_str());
    }
    return kJobNotRun;
}

class Run {
public:
    Run(const Context& context, const RunOptions& options, Terminal terminal)
        : context_(context), options_(options), terminal_(std::move(terminal)) {}

    Result<int> go() {
        TRY(const Json made, ask_for_file(context_, options_));
        unit_ = made.at("name").get<std::string>();
        const SiteFile file{
            made.at("directory").get<std::string>(), {}, made.at("file").get<std::string>()};
        TRY_VOID(check_free());
        began_us_ = realtime_ns() / 1000;
        TRY_VOID(write_new_site_file(file, made.at("text").get<std::string>()));
        const auto started = start();
        if (!started) take_back(context_, file, unit_);
        if (!started) return std::unexpected(started.error());
        if (options_.wait || options_.tty) return wait();
        tell(*started);
        return started->value("state", "") == "failed" ? code_of(context_, unit_, *started) : kOk;
    }

private:
    [[nodiscard]] bool lends() const { return options_.stdin_ || options_.tty; }

    /// The supervisor may know units that the files here do not tell of; ours would go over theirs.
    [[nodiscard]] Result<void> check_free() const {
        const auto known = ask(context_, "Status", {{"units", {unit_}}});
        if (known) return fail(unit_ + ": there is a unit of that name; name the job otherwise");
        if (known.error().code == kNoSuchUnit) return {};
        return std::unexpected(known.error());
    }

    Result<Json> start() {
        TRY(control::Client client, connect(context_));
        std::vector<int> fds;
        Fd theirs;
        Fd ours;  // open until the answer: what lies in it is lost with it
        if (lends()) {
            const int stdio[3] = {terminal_.inner(STDIN_FILENO), terminal_.inner(STDOUT_FILENO),
                                  terminal_.inner(STDERR_FILENO)};
            TRY(auto pair, lend_stdio(unit_, stdio));
            ours = std::move(pair.first);
            theirs = std::move(pair.second);
            fds.push_back(theirs.get());
        }
        TRY_VOID(client.send("RunJob", {{"unit", unit_}, {"lends", lends()}}, fds));
        TRY_VOID(await_answer(client, socket_of(context_)));
        TRY(const auto answer, checked(client.receive()));
        terminal_.forget_inner();
        return answer.reply.parameters.value("job", Json::object());
    }

    Result<int> wait() {
        JobWait waiting(context_, unit_);
        TRY(const Json job, options_.tty ? waiting.relay(terminal_)
                                         : waiting.show_output(began_us_, !context_.json));
        if (context_.json) print_json({{"job", job}});
        if (!context_.json) tell_truncation(unit_, job);
        return code_of(context_, unit_, job);
    }

    void tell(const Json& job) const {
        if (context_.json) return print_json({{"job", job}});
        std::printf("%s\n", printable(unit_).c_str());
    }

    const Context& context_;
    const RunOptions& options_;
    Terminal terminal_;
    std::string unit_;
    std::uint64_t began_us_ = 0;
};

Result<int> run_checked(const Context& context, const RunOptions& options) {
    TRY(Terminal terminal, options.tty ? Terminal::open_if_interactive() : Terminal::none());
    if (options.tty && !terminal.interactive()) {
        return fail("-t: standard input and output are no terminal; leave it out", kUsage);
    }
    // A jail that held it could push input into the session that it controls (TIOCSTI).
    if (options.stdin_ && !options.tty && ::isatty(STDIN_FILENO) != 0) {
        return fail("--stdin: standard input is a terminal; use -t, which makes one for the job",
                    kUsage);
    }
    return Run(context, options, std::move(terminal)).go();
}

}  // namespace

int run_job(const Context& context, const RunOptions& options) {
    const auto code = run_checked(context, options);
    return code ? *code : report(context, code.error());
}

}  // namespace jailsvc::ctl
