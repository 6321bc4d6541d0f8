#include "selftest/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace jailsvc::selftest {
namespace {

using Outcome = Try::Outcome;

const char* name_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::kHeld:
            return "held";
        case Outcome::kEscaped:
            return "NOT HELD";
        case Outcome::kSkipped:
            return "skipped";
    }
    return "";
}

/// The worst of them.
Outcome sum_of(const std::vector<Try>& tries) {
    const auto any = [&](Outcome outcome) {
        return std::ranges::find(tries, outcome, &Try::outcome) != tries.end();
    };
    if (any(Outcome::kEscaped)) return Outcome::kEscaped;
    return any(Outcome::kHeld) ? Outcome::kHeld : Outcome::kSkipped;
}

}  // namespace

Counts count(const std::vector<Try>& tries) {
    const auto number = [&](Outcome outcome) {
        return static_cast<std::size_t>(std::ranges::count(tries, outcome, &Try::outcome));
    };
    const std::size_t held = number(Outcome::kHeld);
    return {.tried = held + number(Outcome::kEscaped),
            .held = held,
            .skipped = number(Outcome::kSkipped)};
}

std::string to_text(const std::vector<Try>& of_one_case) {
    if (of_one_case.empty()) return "";
    const Case& what = *of_one_case.front().what;
    std::string text = fmt::format("{:<8}  {:<3}  {}: {}\n", name_of(sum_of(of_one_case)),
                                   what.number, what.name, what.about);
    const bool alike = std::ranges::all_of(of_one_case, [&](const Try& one) {
        return one.outcome == Outcome::kSkipped && one.why == of_one_case.front().why;
    });
    if (alike) return text + fmt::format("          {}\n", of_one_case.front().why);
    for (const Try& one : of_one_case) {
        if (one.outcome == Outcome::kHeld) continue;
        text += fmt::format("          {} in {}: {}\n", name_of(one.outcome), one.profile,
                            one.outcome == Outcome::kEscaped ? "it works" : one.why);
    }
    return text;
}

std::string last_line(const std::vector<Try>& tries) {
    const Counts counts = count(tries);
    std::map<std::string, std::size_t> reasons;
    for (const Try& one : tries) {
        if (one.outcome != Outcome::kSkipped) continue;
        ++reasons[one.why.substr(0, one.why.find(": "))];  // what follows differs from case to case
    }
    std::string why;
    for (const auto& [reason, times] : reasons) {
        why += fmt::format("{}{}: {}", why.empty() ? " (" : "; ", times, reason);
    }
    if (!why.empty()) why += ")";
    return fmt::format("{} tried, {} held, {} skipped{}\n", counts.tried, counts.held,
                       counts.skipped, why);
}

std::string to_json(const std::vector<Try>& tries) {
    nlohmann::json results = nlohmann::json::array();
    for (const Try& one : tries) {
        results.push_back(
            {{"case", one.what->name},
             {"number", one.what->number},
             {"about", one.what->about},
             {"profile", one.profile},
             {"outcome", one.outcome == Outcome::kEscaped ? "not held" : name_of(one.outcome)},
             {"why", one.why}});
    }
    const Counts counts = count(tries);
    const nlohmann::json all{{"results", results},
                             {"tried", counts.tried},
                             {"held", counts.held},
                             {"skipped", counts.skipped}};
    return all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace jailsvc::selftest
