#include "doctor/trial.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <jailsvc_plugin.hpp>
#include <optional>

#include "base/sys.hpp"
#include "control/client.hpp"

namespace jailsvc::doctor {
namespace {

constexpr const char* kUnit = "trial";
constexpr int kStepMilliseconds = 3000;  ///< a third of what a probe may take
constexpr int kLookMilliseconds = 5;

/// A folder for one trial; removed with all that is in it.
struct Folder {
    std::string path = "/run/jailsvc-doctor-XXXXXX";
    /// Others may pass through: the engine and the logger have uids of their own.
    bool made = ::mkdtemp(path.data()) != nullptr && ::chmod(path.c_str(), 0755) == 0;

    Folder() = default;
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;  // what is left of it is in /run, which is not kept
        if (made) std::filesystem::remove_all(path, ignored);
    }
};

/// jailsvc-init stands beside us in a build tree, and in PREFIX/sbin of PREFIX/lib/jailsvc.
Result<std::string> find_init() {
    TRY(const std::string folder, sys::program_directory());
    for (const char* place : {"/jailsvc-init", "/../../sbin/jailsvc-init"}) {
        if (::access((folder + place).c_str(), X_OK) == 0) return folder + place;
    }
    return fail("jailsvc-init is neither in " + folder + " nor in ../../sbin; install it again");
}

Result<void> write_unit(const Folder& folder, const std::string& profile) {
    // What these shipped profiles leave to the unit.
    const char* more = "";
    if (profile == "trusted") more = "[jail.identity]\nuser = \"nobody\"\n";
    if (profile == "builder") more = "[jail.chroot]\nmode = \"host\"\nread_only = true\n";
    TRY_VOID(sys::make_directories(folder.path + "/config/units", 0755));
    return sys::replace_file(
        folder.path + "/config/units/" + kUnit + ".toml",
        fmt::format("[service]\ntype = \"oneshot\"\nexec_start = [\"/bin/true\"]\n"
                    "[jail]\nprofile = \"{}\"\n{}",
                    profile, more));
}

/// The keeper as a child that ends when we do; what it has to say goes to the file.
Result<pid_t> start_keeper(const std::string& program, const Folder& folder,
                           const std::string& plugins) {
    TRY(const Fd said, sys::open(folder.path + "/said", O_WRONLY | O_CREAT | O_APPEND, 0600));
    const std::string config = folder.path + "/config";
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno("fork");
    if (pid > 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::alarm(0);
    ::dup2(said.get(), STDOUT_FILENO);
    ::dup2(said.get(), STDERR_FILENO);
    ::execl(program.c_str(), "jailsvc-init", "--config", config.c_str(), "--state",
            folder.path.c_str(), "--plugins", plugins.c_str(), "--quiet", nullptr);
    ::_exit(127);
}

/// The keeper makes the socket before anything else, and the first call waits for the engine.
Result<control::Client> connect(const Folder& folder, pid_t keeper) {
    const std::string path = folder.path + "/run/control";
    for (int waited = 0; waited < kStepMilliseconds; waited += kLookMilliseconds) {
        auto client = control::Client::connect(path);
        if (client) {
            const timeval limit{.tv_sec = kStepMilliseconds / 1000, .tv_usec = 0};
            ::setsockopt(client->socket(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            return client;
        }
        siginfo_t end{};
        ::waitid(P_PID, static_cast<id_t>(keeper), &end, WEXITED | WNOHANG | WNOWAIT);
        if (end.si_pid == keeper) break;
        ::poll(nullptr, 0, kLookMilliseconds);
    }
    return fail("the supervisor did not come up");
}

Result<void> run_unit(control::Client& client) {
    const auto answer = client.call("Start", {{"units", {kUnit}}});
    if (!answer && answer.error().code == EAGAIN) return fail("the supervisor does not answer");
    if (!answer) return std::unexpected(answer.error());
    const control::Json& told = answer->reply.parameters;
    if (!answer->reply.error.empty()) return fail(told.value("message", answer->reply.error));
    for (const auto& outcome : told.value("outcomes", control::Json::array())) {
        if (outcome.value("result", "") == "done") return {};
        return fail(outcome.value("message", "it failed"));
    }
    return fail("no answer to Start");
}

void end(pid_t keeper) {
    ::kill(keeper, SIGTERM);
    for (int waited = 0; waited < kStepMilliseconds; waited += kLookMilliseconds) {
        if (::waitpid(keeper, nullptr, WNOHANG) != 0) return;
        ::poll(nullptr, 0, kLookMilliseconds);
    }
    ::kill(keeper, SIGKILL);
    ::waitpid(keeper, nullptr, 0);
}

/// The last line that the supervisor wrote, as the likeliest reason.
std::string last_words(const Folder& folder) {
    std::string said = sys::read_file(folder.path + "/said").value_or("");
    while (!said.empty() && said.back() == '\n') said.pop_back();
    return said.substr(said.rfind('\n') + 1);
}

Result<void> try_profile(const std::string& plugins, const std::string& profile) {
    const Folder folder;
    if (!folder.made) return fail_errno(folder.path);
    TRY(const std::string program, find_init());
    TRY_VOID(write_unit(folder, profile));
    TRY(const pid_t keeper, start_keeper(program, folder, plugins));
    auto client = connect(folder, keeper);
    const Result<void> ran =
        client ? run_unit(*client) : Result<void>(std::unexpected(client.error()));
    end(keeper);
    if (ran) return {};
    const std::string words = last_words(folder);
    return words.empty() ? ran : fail_in(ran.error().message, {words});
}

}  // namespace

Attempt jailed_trial(const Places& places, std::string profile) {
    return [plugins = places.plugins, profile = std::move(profile)](jsv_probe& probe) {
        const Result<void> ran = try_profile(plugins, profile);
        return jsv::report(probe, ran ? 1 : 0, "a program in profile " + profile,
                           ran ? "" : ran.error().message);
    };
}

}  // namespace jailsvc::doctor
