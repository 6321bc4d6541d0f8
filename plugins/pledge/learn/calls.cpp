#include "calls.hpp"

#include <seccomp.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <memory>

namespace pledge::learn {
namespace {

/// What a promise costs where several would do: the less it permits the better.
constexpr std::pair<Promise, unsigned> kCosts[] = {
    {kTcp, 2}, {kDns, 3}, {kUnix, 4}, {kInet, 5}, {kRecvfd, 6}, {kSendfd, 7}, {kProc, 8}, {kId, 9},
};
constexpr unsigned kUsualCost = 5;
constexpr int kMostChoices = 16;  ///< promises that may be left to choose from

unsigned cost_of(Promises promises) {
    unsigned cost = 0;
    for (Promises rest = promises; rest != 0; rest &= rest - 1) {
        const Promises one = rest & (~rest + 1);
        const auto* found = std::ranges::find(
            kCosts, one, [](const auto& row) { return static_cast<Promises>(row.first); });
        cost += found == std::end(kCosts) ? kUsualCost : found->second;
    }
    return cost;
}

bool is_own_pid(const Test& test) {
    return test.value == kOwnPid;
}

std::string name_of(int number) {
    for (const std::string_view call :
         {"fchmodat2", "map_shadow_stack", "futex_wake", "futex_wait", "futex_requeue", "mseal",
          "setxattrat", "getxattrat", "listxattrat", "removexattrat"}) {
        if (recent_number(call) == number) return std::string(call);
    }
    const std::unique_ptr<char, decltype(&std::free)> name(
        ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), &std::free);
    return name ? name.get() : "call_" + std::to_string(number);
}

bool holds(const Rule& rule, const Call& call) {
    return rule.call == call.name && std::ranges::all_of(rule.conditions(), [&](const Test& test) {
               return !is_own_pid(test) &&
                      (call.arguments[test.argument] & test.mask) == test.value;
           });
}

bool suffices(const Way& way, Promises promises) {
    return (way.needed & ~promises) == 0 && (way.unless & promises) == 0;
}

}  // namespace

Call to_call(const seccomp_data& data) {
    Call call{name_of(data.nr)};
    for (const Group& group : groups()) {
        for (const Rule& rule : group.rules) {
            if (rule.call != call.name) continue;
            for (const Test& test : rule.conditions()) {
                if (is_own_pid(test)) continue;
                call.arguments[test.argument] |= data.args[test.argument] & test.mask;
            }
        }
    }
    return call;
}

std::vector<Way> ways_of(const Call& call) {
    std::vector<Way> ways;
    for (const Group& group : groups()) {
        for (const Rule& rule : group.rules) {
            if (!holds(rule, call)) continue;
            for (Promises rest = group.promises; rest != 0; rest &= rest - 1) {
                ways.push_back({(rest & (~rest + 1)) | rule.also, rule.unless});
            }
        }
    }
    return ways;
}

std::optional<Way> permitted_by(const Call& call, Promises promises) {
    const auto ways = ways_of(call);
    const auto found =
        std::ranges::find_if(ways, [&](const Way& way) { return suffices(way, promises); });
    if (found == ways.end()) return std::nullopt;
    return *found;
}

Promises smallest_set(const Record& record) {
    Promises needed = kStdio;
    Promises possible = 0;
    std::vector<std::vector<Way>> open;  // calls that leave a choice
    for (const auto& [call, count] : record.calls) {
        auto ways = ways_of(call);
        if (ways.empty()) continue;
        Promises common = ~Promises{0};
        for (const Way& way : ways) {
            common &= way.needed;
            possible |= way.needed;
        }
        needed |= common;
        open.push_back(std::move(ways));
    }
    possible &= ~needed;
    if (std::popcount(possible) > kMostChoices) return needed | possible;
    Promises best = needed | possible;
    unsigned least = ~0U;
    // Every subset of what is possible, see "Gosper's" successor: (subset - set) & set.
    for (Promises chosen = 0;;) {
        const Promises all = needed | chosen;
        const bool enough = std::ranges::all_of(open, [&](const auto& ways) {
            return std::ranges::any_of(ways, [&](const Way& way) { return suffices(way, all); });
        });
        if (enough && cost_of(chosen) < least) {
            least = cost_of(chosen);
            best = all;
        }
        chosen = (chosen - possible) & possible;
        if (chosen == 0) return best;
    }
}

}  // namespace pledge::learn
