// jailsvc-selftest [--json] [--profile NAME]: each known way out of a jail, tried on this machine.
// 0: all that could be tried held; 1: one did not, or none could be tried; 2: usage; 4: not root.

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/sys.hpp"
#include "selftest/report.hpp"
#include "selftest/stage.hpp"

namespace {

using namespace jailsvc;
using namespace jailsvc::selftest;

constexpr int kNotHeld = 1;
constexpr int kUsage = 2;
constexpr int kNotPermitted = 4;  ///< as the client has it

volatile sig_atomic_t stopped_by = 0;

/// Between two cases we stop, and what was made goes; each takes a moment.
void stop_on_signals() {
    struct sigaction action{};
    action.sa_handler = [](int signo) { stopped_by = signo; };
    for (const int signo : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signo, &action, nullptr);
    ::signal(SIGPIPE, SIG_IGN);  // whoever reads us may stop; what we made goes all the same
}

struct Options {
    bool json = false;
    std::vector<Profile> profiles = selftest::profiles();
};

std::string names_of(const std::vector<Profile>& all) {
    std::string names;
    for (const Profile& one : all) names += (names.empty() ? "" : ", ") + one.name;
    return names;
}

/// Empty: fine.
std::string parse(const std::vector<std::string>& words, Options& options) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--json") {
            options.json = true;
        } else if (words[i] == "--profile" && i + 1 < words.size()) {
            const std::string& name = words[++i];
            const auto& all = selftest::profiles();
            const auto found = std::ranges::find(all, name, &Profile::name);
            if (found == all.end()) {
                return fmt::format("--profile: \"{}\" is none of {}", name, names_of(all));
            }
            options.profiles = {*found};
        } else {
            return fmt::format("unknown word \"{}\"; use --json, --profile NAME", words[i]);
        }
    }
    return "";
}

int run(const Options& options) {
    const auto folder = sys::program_directory();
    if (!folder) throw std::runtime_error(folder.error().message);
    Stage stage(*folder + "/jailsvc-attacker");
    std::vector<Try> tries;
    for (const Case& what : cases()) {
        if (stopped_by != 0) return 128 + stopped_by;
        const auto done = stage.attempt(what, options.profiles);
        tries.insert(tries.end(), done.begin(), done.end());
        if (!options.json) std::fputs(to_text(done).c_str(), stdout);
        std::fflush(stdout);
    }
    std::fputs((options.json ? to_json(tries) : last_line(tries)).c_str(), stdout);
    const Counts counts = count(tries);
    return counts.tried > 0 && counts.held == counts.tried ? 0 : kNotHeld;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (const auto wrong = parse({argv + 1, argv + argc}, options); !wrong.empty()) {
        fmt::print(stderr, "jailsvc selftest: {}\n", wrong);
        return kUsage;
    }
    if (::geteuid() != 0) {
        fmt::print(stderr, "jailsvc selftest: making jails takes root; run it as root\n");
        return kNotPermitted;
    }
    spdlog::set_level(spdlog::level::err);  // what a profile lacks here, the results tell
    stop_on_signals();
    try {
        return run(options);
    } catch (const std::exception& failed) {
        fmt::print(stderr, "jailsvc selftest: {}\n", failed.what());
        return kNotHeld;
    }
}
