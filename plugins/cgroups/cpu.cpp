#include "cpu.hpp"

#include <jailsvc_plugin.hpp>

#include <set>

namespace jailsvc::cgroups {
namespace {

/// The kernel takes a quota of 1 ms at least (kernel/sched/core.c, min_cfs_quota_period): 1%.
constexpr std::uint64_t kPeriodUs = 100'000;
constexpr std::uint64_t kUsPerPercent = kPeriodUs / 100;
constexpr std::uint64_t kMaxPercent = 1'000'000;
constexpr std::uint64_t kMaxCpu = 8191;  // CONFIG_NR_CPUS of the largest machines

bool add_range(std::string_view range, std::set<std::uint64_t>& cpus) {
    const std::size_t dash = range.find('-');
    const auto first = jsv::parse_decimal(range.substr(0, dash), kMaxCpu);
    const auto last = dash == std::string_view::npos
                          ? first
                          : jsv::parse_decimal(range.substr(dash + 1), kMaxCpu);
    if (!first || !last || *last < *first) return false;
    for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) cpus.insert(cpu);
    return true;
}

std::string as_ranges(const std::set<std::uint64_t>& cpus) {
    std::string text;
    for (auto at = cpus.begin(); at != cpus.end();) {
        const std::uint64_t first = *at;
        std::uint64_t last = first;
        while (++at != cpus.end() && *at == last + 1) last = *at;
        if (!text.empty()) text += ',';
        text += std::to_string(first);
        if (last != first) text += '-' + std::to_string(last);
    }
    return text;
}

}  // namespace

std::optional<std::string> cpu_max(std::string_view share) {
    if (!share.ends_with('%')) return std::nullopt;
    share.remove_suffix(1);
    const auto percent = jsv::parse_decimal(share, kMaxPercent);
    if (!percent || *percent == 0) return std::nullopt;
    return std::to_string(*percent * kUsPerPercent) + ' ' + std::to_string(kPeriodUs);
}

std::optional<std::string> cpu_list(std::string_view text) {
    std::set<std::uint64_t> cpus;
    for (bool more = true; more;) {
        const std::size_t comma = text.find(',');
        more = comma != std::string_view::npos;
        if (!add_range(text.substr(0, comma), cpus)) return std::nullopt;
        if (more) text.remove_prefix(comma + 1);
    }
    return as_ranges(cpus);
}

}  // namespace jailsvc::cgroups
