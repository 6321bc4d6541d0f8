#include "limits.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace jailsvc::identity {

namespace {

using jsv::Planner;

struct Limit {
    std::string_view name;
    std::uint64_t resource;
    bool is_bytes;  ///< takes K, M, G, T
};
constexpr Limit kLimits[] = {
    {"as", RLIMIT_AS, true},
    {"core", RLIMIT_CORE, true},
    {"cpu", RLIMIT_CPU, false},
    {"data", RLIMIT_DATA, true},
    {"fsize", RLIMIT_FSIZE, true},
    {"locks", RLIMIT_LOCKS, false},
    {"memlock", RLIMIT_MEMLOCK, true},
    {"msgqueue", RLIMIT_MSGQUEUE, true},
    {"nice", RLIMIT_NICE, false},
    {"nofile", RLIMIT_NOFILE, false},
    {"nproc", RLIMIT_NPROC, false},
    {"rss", RLIMIT_RSS, true},
    {"rtprio", RLIMIT_RTPRIO, false},
    {"rttime", RLIMIT_RTTIME, false},
    {"sigpending", RLIMIT_SIGPENDING, false},
    {"stack", RLIMIT_STACK, true},
};

std::optional<std::uint64_t> parse_limit(const Limit& limit, std::string_view text) {
    if (text == "infinity") return RLIM_INFINITY;
    return limit.is_bytes ? jsv::parse_bytes(text) : jsv::parse_decimal(text, RLIM_INFINITY - 1);
}

std::string limit_names() {
    std::string names;
    for (const auto& limit : kLimits)
        names += (names.empty() ? "" : ", ") + std::string(limit.name);
    return names;
}

void add_limit(Planner& plan, const std::string& name, std::string_view text) {
    const auto limit = std::ranges::find(kLimits, name, &Limit::name);
    const std::string key = "limits." + name;
    if (limit == std::end(kLimits)) {
        return plan.fail(key.c_str(),
                         "there is no limit \"" + name + "\"; use one of " + limit_names());
    }
    const auto colon = text.find(':');
    const auto soft = parse_limit(*limit, text.substr(0, colon));
    const auto hard =
        colon == std::string_view::npos ? soft : parse_limit(*limit, text.substr(colon + 1));
    if (!soft || !hard || *soft > *hard) {
        return plan.fail(key.c_str(), "\"" + std::string(text) +
                                          "\" is no limit; write \"SOFT:HARD\" with SOFT at most "
                                          "HARD, one number for both, or \"infinity\"");
    }
    plan.add({.kind = JSV_OP_RLIMIT, .key = "limits", .number = {limit->resource, *soft, *hard}});
}

}  // namespace

void add_limits(Planner& plan) {
    const auto limits = plan.entries("limits");
    // A core file would leave a service's memory, secrets included, where it crashed.
    const bool has_core =
        std::ranges::any_of(limits, [](const auto& l) { return l.first == "core"; });
    if (!has_core) add_limit(plan, "core", "0");
    for (const auto& [name, value] : limits) add_limit(plan, name, value);
}

}  // namespace jailsvc::identity
