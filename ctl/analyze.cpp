#include "analyze.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "exposure.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

struct Analyzed {
    std::string unit;
    long pid = 0;  ///< of its main process as this plan says; 0: it was judged by its plan alone
    bool stale = false;
    Exposure exposure;
    [[nodiscard]] double score() const { return std::round(exposure.score() * 10) / 10; }
};

const char* word_of(Wall::Basis basis) {
    switch (basis) {
        case Wall::Basis::kPlan:
            return "plan";
        case Wall::Basis::kKernel:
            return "kernel";
        case Wall::Basis::kBroken:
            return "BROKEN";
    }
    return "";
}

Colour colour_of(double score) {
    const std::string_view level = level_of(score);
    if (level == "tight") return Colour::kGreen;
    return level == "guarded" || level == "exposed" ? Colour::kYellow : Colour::kRed;
}

Result<Analyzed> analyze(const Context& context, const Json& status, pid_t supervisor) {
    Analyzed result{.unit = status.value("name", ""), .exposure = {}};
    TRY(const auto answer, ask(context, "Plan", {{"unit", result.unit}}));
    const auto pid = status.find("pid");
    result.stale = status.value("stale", false);
    std::optional<KernelFacts> facts;
    // Of one that runs as its file was before, the kernel would deny a plan it never had.
    if (pid != status.end() && pid->is_number_integer() && !result.stale) {
        result.pid = pid->get<long>();
        facts = look_at(static_cast<pid_t>(result.pid), supervisor);
    }
    result.exposure = exposure_of(answer.reply.parameters.value("plan", Json::object()),
                                  status.value("weakened", std::uint64_t{0}), facts);
    return result;
}

Json to_json(const Analyzed& one) {
    auto walls = Json::array();
    for (const Wall& wall : one.exposure.walls) {
        walls.push_back({{"name", wall.name},
                         {"weight", wall.weight},
                         {"exposed", wall.exposed},
                         {"how", wall.how},
                         {"risk", wall.risk},
                         {"basis", word_of(wall.basis)}});
    }
    return {{"unit", one.unit},
            {"score", one.score()},
            {"level", level_of(one.exposure.score())},
            {"pid", one.pid > 0 ? Json(one.pid) : Json()},
            {"stale", one.stale},
            {"walls", walls},
            {"accepted", one.exposure.accepted}};
}

std::string basis_of(const Analyzed& one) {
    if (one.stale) return "its file changed since it was started: judged by the file";
    if (one.pid == 0) return "it does not run: judged by its plan";
    return fmt::format("pid {}", one.pid);
}

void print_details(const Context& context, const Analyzed& one) {
    const double score = one.exposure.score();
    std::printf("%s: exposure %s of 10 (%s; %s)\n\n", printable(one.unit).c_str(),
                paint(context.colour, colour_of(score), fmt::format("{:.1f}", score)).c_str(),
                level_of(score), basis_of(one).c_str());
    std::vector<std::vector<std::string>> rows{{"  WALL", "EXPOSED", "BY", "WHAT HOLDS"}};
    for (const Wall& wall : one.exposure.walls) {
        rows.push_back({"  " + wall.name, fmt::format("{} of {}", wall.exposed, wall.weight),
                        word_of(wall.basis), printable(wall.how)});
    }
    std::fputs(table(rows).c_str(), stdout);
    std::puts("\nWhoever takes it over can:");
    bool any = false;
    for (const Wall& wall : one.exposure.walls) {
        if (wall.exposed == 0) continue;
        std::printf("  - %s\n", printable(wall.risk).c_str());
        any = true;
    }
    if (!any) std::puts("  - do nothing that is known here");
    if (one.exposure.accepted.empty()) return;
    std::puts("\nIts file accepts:");
    for (const std::string& line : one.exposure.accepted) {
        std::printf("  - %s\n", printable(line).c_str());
    }
}

void print_table(const Context& context, const std::vector<Analyzed>& all) {
    std::vector<std::vector<std::string>> rows{{"UNIT", "EXPOSURE", "LEVEL", "BASIS"}};
    for (const Analyzed& one : all) {
        const double score = one.exposure.score();
        std::string basis = basis_of(one);
        if (one.exposure.broken()) basis += "; a wall does NOT hold";
        rows.push_back({printable(one.unit),
                        paint(context.colour, colour_of(score), fmt::format("{:.1f}", score)),
                        level_of(score), basis});
    }
    std::fputs(table(rows).c_str(), stdout);
}

pid_t supervisor_of(const Context& context) {
    const auto version = ask(context, "Version", Json::object());
    return version ? version->reply.parameters.value("pid", pid_t{0}) : pid_t{0};
}

void print(const Context& context, const AnalyzeOptions& options,
           const std::vector<Analyzed>& all) {
    if (context.json) {
        auto units = Json::array();
        for (const Analyzed& one : all) units.push_back(to_json(one));
        return print_json({{"units", units}});
    }
    if (options.units.empty()) return print_table(context, all);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) std::puts("");
        print_details(context, all[i]);
    }
}

}  // namespace

int run_analyze(const Context& context, const AnalyzeOptions& options) {
    const auto answer = ask(context, "Status", {{"units", options.units}});
    if (!answer) return report(context, answer.error());
    const pid_t supervisor = supervisor_of(context);
    std::vector<Analyzed> all;
    int code = kOk;
    for (const Json& status : answer->reply.parameters.value("units", Json::array())) {
        // A target runs nothing, and what does not load has no plan.
        const bool bare = status.value("jail", "").empty() || status.value("state", "") == "error";
        if (options.units.empty() && bare) continue;
        auto one = analyze(context, status, supervisor);
        if (!one) {
            code = report(context, one.error());
            if (context.json) return code;
            continue;
        }
        if (one->score() > options.most || one->exposure.broken()) code = kFailure;
        all.push_back(std::move(*one));
    }
    print(context, options, all);
    return code;
}

}  // namespace jailsvc::ctl
