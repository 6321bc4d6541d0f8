#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <thread>

#include "base/clock.hpp"
#include "processes.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

constexpr const char* kClear = "\033[H\033[2J";

struct Use {
    std::string unit{}, state{};
    std::uint64_t memory = 0, tasks = 0;
    double share = 0;  ///< of one processor, since the look before
};

std::uint64_t number(const Json& unit, const char* field) {
    const auto found = unit.find(field);
    return found != unit.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

/// Remembers between looks what each unit had used.
class Meter {
public:
    /// Units that run, those that use most first.
    std::vector<Use> look(const Json& units) {
        const std::uint64_t now = boottime_ns();
        std::map<std::string, std::uint64_t> used;
        std::vector<Use> all;
        for (const Json& unit : units) {
            if (number(unit, "pid") == 0) continue;
            Use use{.unit = unit.value("name", ""),
                    .state = unit.value("state", ""),
                    .memory = number(unit, "memory"),
                    .tasks = number(unit, "tasks")};
            const std::uint64_t cpu = number(unit, "cpu");
            const auto before = used_.find(use.unit);
            const bool grew = before != used_.end() && cpu >= before->second && now > at_;
            if (grew) {
                const auto nanoseconds = static_cast<double>(cpu - before->second) * 1000;
                use.share = nanoseconds / static_cast<double>(now - at_);
            }
            used.emplace(use.unit, cpu);
            all.push_back(std::move(use));
        }
        used_ = std::move(used);
        at_ = now;
        std::ranges::stable_sort(all, [](const Use& a, const Use& b) {
            return a.share != b.share ? a.share > b.share : a.memory > b.memory;
        });
        return all;
    }

private:
    std::map<std::string, std::uint64_t> used_;
    std::uint64_t at_ = 0;
};

void print(const Context& context, const std::vector<Use>& all) {
    if (context.json) {
        auto units = Json::array();
        for (const Use& one : all) {
            units.push_back({{"name", one.unit},
                             {"cpu_percent", std::round(one.share * 1000) / 10},
                             {"memory", one.memory},
                             {"tasks", one.tasks},
                             {"state", one.state}});
        }
        return print_json({{"units", units}});
    }
    std::vector<std::vector<std::string>> rows{{"UNIT", "CPU", "MEMORY", "TASKS", "STATE"}};
    for (const Use& one : all) {
        rows.push_back({printable(one.unit), fmt::format("{:.1f}%", one.share * 100),
                        human_bytes(one.memory), std::to_string(one.tasks), one.state});
    }
    if (::isatty(STDOUT_FILENO) != 0) std::fputs(kClear, stdout);
    std::fputs(table(rows).c_str(), stdout);
    std::fflush(stdout);
}

}  // namespace

int run_top(const Context& context, const TopOptions& options) {
    Meter meter;
    // The first look has nothing to be compared with, and is not shown.
    for (int round = 0; options.rounds == 0 || round <= options.rounds; ++round) {
        const auto answer = ask(context, "Status", {{"units", Json::array()}});
        if (!answer) return report(context, answer.error());
        const auto all = meter.look(answer->reply.parameters.value("units", Json::array()));
        if (round > 0) print(context, all);
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) break;  // nobody sees it
        if (options.rounds != 0 && round == options.rounds) break;
        std::this_thread::sleep_for(std::chrono::duration<double>(options.every));
    }
    return kOk;
}

}  // namespace jailsvc::ctl
