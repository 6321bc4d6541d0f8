#include "jailer/cgroup/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <set>

namespace jailsvc::jailer::cgroup {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::vector<std::string_view> words(std::string_view text, std::string_view separators = " \n") {
    std::vector<std::string_view> found;
    for (;;) {
        const std::size_t begin = text.find_first_not_of(separators);
        if (begin == std::string_view::npos) return found;
        text.remove_prefix(begin);
        const std::size_t end = std::min(text.find_first_of(separators), text.size());
        found.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
}

/// What the makers of the files below work on.
struct Context {
    std::span<const Limit> limits;
    Translation& out;

    void write(const Limit& limit, std::string controller, std::string file,
               std::string value) const {
        out.writes.push_back({limit.op, std::move(controller), std::move(file), std::move(value)});
    }
    void refuse(const Limit& limit, std::string why) const {
        out.refused.push_back({limit.op, std::move(why)});
    }
    [[nodiscard]] const Limit* find(std::string_view file) const {
        const auto found = std::ranges::find(limits, file, &Limit::file);
        return found == limits.end() ? nullptr : &*found;
    }
};

std::string unlimited(const std::string& value) {
    return value == "max" ? "-1" : value;
}

void memory_max(const Context& context, const Limit& limit) {
    context.write(limit, "memory", "memory.limit_in_bytes", unlimited(limit.value));
}

/// Version 1 limits memory and swap together, and never below the memory alone
/// (Documentation/admin-guide/cgroup-v1/memory.rst, 2.4).
void memory_swap_max(const Context& context, const Limit& limit) {
    const Limit* memory = context.find("memory.max");
    const auto swap = number(limit.value);
    const auto bytes = memory != nullptr ? number(memory->value) : std::nullopt;
    if (swap && !bytes) {
        return context.refuse(limit,
                              "cgroup v1 limits memory and swap as one sum; set memory_max too");
    }
    const bool fits = swap && *swap <= std::numeric_limits<std::int64_t>::max() - *bytes;
    context.write(limit, "memory", "memory.memsw.limit_in_bytes",
                  fits ? std::to_string(*bytes + *swap) : "-1");
}

void oom_group(const Context& context, const Limit& limit) {
    context.out.end_all_on_oom = limit.value == "1";
}

/// "QUOTA PERIOD" in microseconds.
void cpu_max(const Context& context, const Limit& limit) {
    const auto parts = words(limit.value);
    if (parts.size() != 2) return context.refuse(limit, "is not \"QUOTA PERIOD\"");
    context.write(limit, "cpu", "cpu.cfs_period_us", std::string(parts[1]));
    context.write(limit, "cpu", "cpu.cfs_quota_us", unlimited(std::string(parts[0])));
}

/// 100 of version 2 is 1024 of version 1, whose least is 2.
void cpu_weight(const Context& context, const Limit& limit) {
    const auto weight = number(limit.value).value_or(100);
    context.write(limit, "cpu", "cpu.shares",
                  std::to_string(std::max<std::uint64_t>(weight * 1024 / 100, 2)));
}

void cpuset_cpus(const Context& context, const Limit& limit) {
    context.write(limit, "cpuset", "cpuset.cpus", limit.value);
}

void pids_max(const Context& context, const Limit& limit) {
    context.write(limit, "pids", "pids.max", limit.value);
}

/// Version 2 has 1 to 10000 where bfq of version 1 has 1 to 1000; 100 is the middle of both.
/// Version 2's own io.weight spreads the upper part in the same way (bfq-cgroup.c).
void io_weight(const Context& context, const Limit& limit) {
    const auto weight = number(limit.value).value_or(100);
    const std::uint64_t bfq = weight <= 100 ? weight : 100 + (weight - 100) * 900 / 9900;
    context.write(limit, "blkio", "blkio.bfq.weight", std::to_string(bfq));
}

struct Throttle {
    std::string_view key;
    std::string_view file;
};
constexpr Throttle kThrottles[] = {{"rbps", "blkio.throttle.read_bps_device"},
                                   {"wbps", "blkio.throttle.write_bps_device"},
                                   {"riops", "blkio.throttle.read_iops_device"},
                                   {"wiops", "blkio.throttle.write_iops_device"}};

/// "8:0 rbps=1048576 wiops=max".
void io_max(const Context& context, const Limit& limit) {
    const auto parts = words(limit.value);
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const std::size_t equals = parts[i].find('=');
        const auto* throttle =
            std::ranges::find(kThrottles, parts[i].substr(0, equals), &Throttle::key);
        if (equals == std::string_view::npos || throttle == std::end(kThrottles)) {
            return context.refuse(limit, "has no limit that cgroup v1 knows");
        }
        const std::string_view value = parts[i].substr(equals + 1);
        context.write(limit, "blkio", std::string(throttle->file),
                      fmt::format("{} {}", parts[0], value == "max" ? "0" : value));
    }
}

struct Older {
    std::string_view file;        ///< of version 2
    std::string_view controller;  ///< of version 1
    void (*make)(const Context&, const Limit&);
};
constexpr Older kOlder[] = {
    {"memory.max", "memory", memory_max},
    {"memory.swap.max", "memory", memory_swap_max},
    {"memory.oom.group", "memory", oom_group},
    {"cpu.max", "cpu", cpu_max},
    {"cpu.weight", "cpu", cpu_weight},
    {"cpuset.cpus", "cpuset", cpuset_cpus},
    {"pids.max", "pids", pids_max},
    {"io.weight", "blkio", io_weight},
    {"io.max", "blkio", io_max},
};

void translate_one(const Context& context, const Limit& limit,
                   std::span<const Controller> controllers) {
    const std::string name(controller_of(limit.file));
    const auto offered = [&](std::string_view wanted, Version version) {
        return std::ranges::any_of(controllers, [&](const Controller& controller) {
            return controller.name == wanted && controller.version == version;
        });
    };
    if (offered(name, Version::kV2)) {
        return context.write(limit, name, limit.file, limit.value);
    }
    const auto* older = std::ranges::find(kOlder, limit.file, &Older::file);
    const bool known = older != std::end(kOlder);
    if (known && offered(older->controller, Version::kV1)) return older->make(context, limit);
    if (!known && offered(name, Version::kV1)) {
        return context.refuse(limit, fmt::format("{} exists in cgroup v2 only, and the {} "
                                                 "controller is on v1 here",
                                                 limit.file, name));
    }
    context.refuse(limit, fmt::format("there is no {} controller for our groups", name));
}

/// Sizes are counted in whole pages (mm/page_counter.c); "no limit" reads back as "max", or on
/// version 1 as the largest number of whole pages.
bool same_size(std::string_view wanted, std::string_view seen, std::uint64_t page_bytes) {
    const auto value = number(seen);
    if (wanted == "max" || wanted == "-1") {
        constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
        return seen == "max" || seen == "-1" || (value && *value > kLargest - 2 * page_bytes);
    }
    const auto size = number(wanted);
    return size && value && *size / page_bytes * page_bytes == *value;
}

std::optional<std::set<std::uint64_t>> cpu_set(std::string_view text) {
    std::set<std::uint64_t> cpus;
    constexpr std::uint64_t kMost = 1U << 16;
    for (const std::string_view part : words(text, ", \n")) {
        const std::size_t dash = part.find('-');
        const auto first = number(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : number(part.substr(dash + 1));
        if (!first || !last || *last < *first || *last > kMost) return std::nullopt;
        for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) cpus.insert(cpu);
    }
    return cpus;
}

/// The line of the device holds at least what was written; 0 is "no limit", which shows no line.
bool has_device_line(std::string_view wanted, std::string_view seen) {
    const auto parts = words(wanted);
    for (const std::string_view line : words(seen, "\n")) {
        const auto have = words(line);
        if (have.empty() || parts.empty() || have[0] != parts[0]) continue;
        return std::ranges::all_of(parts, [&](std::string_view part) {
            return std::ranges::find(have, part) != have.end();
        });
    }
    return std::ranges::all_of(parts.begin() + 1, parts.end(), [](std::string_view part) {
        return part == "0" || part.ends_with("=max");
    });
}

/// io.weight and blkio.bfq.weight read back as "default 100" or "100".
bool same_weight(std::string_view wanted, std::string_view seen) {
    const auto parts = words(seen);
    if (parts.empty()) return false;
    return parts[0] == wanted || (parts.size() > 1 && parts[0] == "default" && parts[1] == wanted);
}

struct Unlimited {
    std::string_view file;
    std::string_view value;
};
constexpr Unlimited kUnlimited[] = {
    {"memory.max", "max"},      {"memory.high", "max"},
    {"memory.swap.max", "max"}, {"memory.oom.group", "0"},
    {"cpu.max", "max 100000"},  {"cpu.weight", "100"},
    {"cpuset.cpus", ""},        {"pids.max", "max"},
    {"io.weight", "100"},       {"io.max", "rbps=max wbps=max riops=max wiops=max"},
};

/// What a limit is about: io.max has a line for each device.
std::string subject_of(const Limit& limit) {
    if (limit.file != "io.max") return limit.file;
    return limit.file + ' ' + limit.value.substr(0, limit.value.find(' '));
}

}  // namespace

std::vector<Limit> lifted(std::span<const Limit> before, std::span<const Limit> after) {
    std::vector<Limit> lifts;
    for (const Limit& limit : before) {
        const auto* none = std::ranges::find(kUnlimited, limit.file, &Unlimited::file);
        const bool stays = std::ranges::any_of(
            after, [&](const Limit& other) { return subject_of(other) == subject_of(limit); });
        if (stays || none == std::end(kUnlimited)) continue;
        std::string value(none->value);
        if (limit.file == "io.max") {
            value = limit.value.substr(0, limit.value.find(' ')) + ' ' + value;
        }
        lifts.push_back({limit.op, limit.file, std::move(value)});
    }
    return lifts;
}

std::string_view controller_of(std::string_view file) {
    return file.substr(0, file.find('.'));
}

Translation translate(std::span<const Limit> limits, std::span<const Controller> controllers) {
    Translation out;
    const Context context{limits, out};
    for (const Limit& limit : limits) translate_one(context, limit, controllers);
    // The sum of memory and swap may not be below the memory: the memory comes first.
    std::ranges::stable_sort(out.writes, {}, [](const Write& write) {
        return write.file == "memory.memsw.limit_in_bytes";
    });
    return out;
}

bool holds(const Write& write, std::string_view seen, std::uint64_t page_bytes) {
    while (seen.ends_with('\n')) seen.remove_suffix(1);
    if (seen == write.value) return true;
    if (write.controller == "memory") return same_size(write.value, seen, page_bytes);
    if (write.file == "cpuset.cpus") {
        const auto wanted = cpu_set(write.value);
        return wanted && wanted == cpu_set(seen);
    }
    if (write.file == "io.weight" || write.file == "blkio.bfq.weight") {
        return same_weight(write.value, seen);
    }
    if (write.file == "io.max" || write.file.starts_with("blkio.throttle.")) {
        return has_device_line(write.value, seen);
    }
    return false;
}

}  // namespace jailsvc::jailer::cgroup
