#include "freeze.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "text.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{5};
constexpr std::chrono::seconds kPatience{
    10};  ///< a disk that hangs holds a process back for longer

/// Those of the units that are not yet as they are to be, and run.
Result<std::vector<std::string>> waiting(const Context& context,
                                         const std::vector<std::string>& units, bool on) {
    TRY(const auto answer, ask(context, "Status", {{"units", units}}));
    std::vector<std::string> left;
    for (const Json& unit : answer.reply.parameters.value("units", Json::array())) {
        const bool runs = unit.contains("pid") && unit["pid"].is_number();
        if (runs && unit.value("frozen", false) != on) left.push_back(unit.value("name", ""));
    }
    return left;
}

Result<void> await(const Context& context, const std::vector<std::string>& units, bool on) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        TRY(const auto left, waiting(context, units, on));
        if (left.empty()) return {};
        if (std::chrono::steady_clock::now() > end) {
            return fail(fmt::format("{}: not {} after {} s; what the jailer wrote says why, or one "
                                    "of its processes waits for a disk (`jailsvc ps {}`)",
                                    left.front(), on ? "frozen" : "thawed", kPatience.count(),
                                    left.front()),
                        kFailure);
        }
        std::this_thread::sleep_for(kBetweenLooks);
    }
}

}  // namespace

int run_freeze(const Context& context, const std::vector<std::string>& units, bool on) {
    const auto answer = ask(context, on ? "Freeze" : "Thaw", {{"units", units}});
    if (!answer) return report(context, answer.error());
    std::vector<std::string> taken;
    int code = kOk;
    for (const Json& outcome : answer->reply.parameters.value("outcomes", Json::array())) {
        const std::string unit = outcome.value("unit", "");
        if (outcome.value("result", "") == "done") {
            taken.push_back(unit);
            continue;
        }
        code = kFailure;
        if (context.json) continue;
        std::fprintf(stderr, "jailsvc: %s: %s\n", printable(unit).c_str(),
                     printable(outcome.value("message", "refused")).c_str());
    }
    if (!taken.empty()) {
        if (const auto done = await(context, taken, on); !done)
            return report(context, done.error());
    }
    if (context.json) print_json(answer->reply.parameters);
    return code;
}

}  // namespace jailsvc::ctl
