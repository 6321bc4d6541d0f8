#include "jailer/jail/process_facts.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/sys.hpp"
#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer {
namespace {

/// The rest of the line that begins with "KEY:".
std::optional<std::string_view> line_of(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ':') {
            return line.substr(key.size() + 1);
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return std::nullopt;
}

std::vector<std::uint64_t> numbers(std::string_view text, int base) {
    std::vector<std::uint64_t> result;
    const char* at = text.data();
    const char* const end = text.data() + text.size();
    while (at != end) {
        std::uint64_t value = 0;
        const auto [next, error] = std::from_chars(at, end, value, base);
        if (error != std::errc{}) {
            ++at;
            continue;
        }
        result.push_back(value);
        at = next;
    }
    return result;
}

Result<std::vector<std::uint64_t>> fields(std::string_view text, std::string_view key, int base,
                                          std::size_t least) {
    const auto line = line_of(text, key);
    if (!line) return fail(fmt::format("status has no {}", key));
    auto values = numbers(*line, base);
    if (values.size() < least) return fail(fmt::format("status has a short {}", key));
    return values;
}

Result<void> read_ids(std::string_view text, std::string_view key,
                      std::array<std::uint32_t, 4>& ids) {
    TRY(const auto values, fields(text, key, 10, ids.size()));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::uint32_t>(values[i]);
    return {};
}

/// How /proc/PID/limits calls a RLIMIT_*.
constexpr std::pair<unsigned, std::string_view> kLimitNames[] = {
    {RLIMIT_CPU, "Max cpu time"},
    {RLIMIT_FSIZE, "Max file size"},
    {RLIMIT_DATA, "Max data size"},
    {RLIMIT_STACK, "Max stack size"},
    {RLIMIT_CORE, "Max core file size"},
    {RLIMIT_RSS, "Max resident set"},
    {RLIMIT_NPROC, "Max processes"},
    {RLIMIT_NOFILE, "Max open files"},
    {RLIMIT_MEMLOCK, "Max locked memory"},
    {RLIMIT_AS, "Max address space"},
    {RLIMIT_LOCKS, "Max file locks"},
    {RLIMIT_SIGPENDING, "Max pending signals"},
    {RLIMIT_MSGQUEUE, "Max msgqueue size"},
    {RLIMIT_NICE, "Max nice priority"},
    {RLIMIT_RTPRIO, "Max realtime priority"},
    {RLIMIT_RTTIME, "Max realtime timeout"}};

std::uint64_t limit_value(std::string_view& rest) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    if (word == "unlimited") return RLIM_INFINITY;
    const auto values = numbers(word, 10);
    return values.empty() ? 0 : values[0];
}

}  // namespace

Result<ProcessFacts> parse_status(std::string_view text) {
    ProcessFacts facts;
    TRY_VOID(read_ids(text, "Uid", facts.uids));
    TRY_VOID(read_ids(text, "Gid", facts.gids));
    TRY(const auto groups, fields(text, "Groups", 10, 0));
    for (const std::uint64_t group : groups) {
        facts.groups.push_back(static_cast<std::uint32_t>(group));
    }
    std::ranges::sort(facts.groups);
    const std::pair<std::string_view, std::uint64_t*> sets[] = {
        {"CapInh", &facts.inheritable},    {"CapPrm", &facts.permitted},
        {"CapEff", &facts.effective},      {"CapBnd", &facts.bounding},
        {"CapAmb", &facts.ambient},        {"SigBlk", &facts.blocked_signals},
        {"SigIgn", &facts.ignored_signals}};
    for (const auto& [key, set] : sets) {
        TRY(const auto values, fields(text, key, 16, 1));
        *set = values[0];
    }
    TRY(const auto umask, fields(text, "Umask", 8, 1));
    TRY(const auto privs, fields(text, "NoNewPrivs", 10, 1));
    facts.umask = static_cast<std::uint32_t>(umask[0]);
    facts.no_new_privs = privs[0] == 1;
    const std::pair<std::string_view, std::uint64_t*> counts[] = {
        {"Seccomp", &facts.seccomp_mode}, {"Seccomp_filters", &facts.seccomp_filters}};
    for (const auto& [key, count] : counts) {
        const auto values = fields(text, key, 10, 1);
        if (values) *count = (*values)[0];
    }
    return facts;
}

Jailed<ProcessFacts> read_process_facts(std::uint32_t op, pid_t pid) {
    const auto text = sys::read_file(fmt::format("/proc/{}/status", pid));
    if (!text) return std::unexpected(failed(op, "status", text.error().code));
    auto facts = parse_status(*text);
    if (!facts) return std::unexpected(not_held(op, facts.error().message));
    return std::move(*facts);
}

Result<LimitPair> parse_limit(std::string_view text, unsigned resource) {
    const auto* name =
        std::ranges::find(kLimitNames, resource, &std::pair<unsigned, std::string_view>::first);
    if (name == std::end(kLimitNames)) return fail(fmt::format("no limit has number {}", resource));
    const std::size_t at = text.find(name->second);
    if (at == std::string_view::npos) return fail(fmt::format("limits has no {}", name->second));
    std::string_view rest = text.substr(at + name->second.size());
    rest = rest.substr(0, rest.find('\n'));
    const std::uint64_t soft = limit_value(rest);
    return LimitPair{soft, limit_value(rest)};
}

}  // namespace jailsvc::jailer
