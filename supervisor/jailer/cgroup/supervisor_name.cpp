#include "jailer/cgroup/supervisor_name.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "jailer/loop/processes.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

constexpr std::string_view kPrefix = "jailsvc.";

std::uint64_t own_pid_namespace() {
    struct stat info{};
    return ::stat("/proc/self/ns/pid", &info) == 0 ? info.st_ino : 0;
}

}  // namespace

std::string to_name(const Supervisor& supervisor) {
    return fmt::format("{}{}.{}.{}", kPrefix, supervisor.pid_namespace, supervisor.keeper,
                       supervisor.start);
}

std::optional<Supervisor> parse_name(std::string_view name) {
    if (!name.starts_with(kPrefix)) return std::nullopt;
    std::string_view rest = name.substr(kPrefix.size());
    std::array<std::uint64_t, 3> numbers{};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto [end, error] =
            std::from_chars(rest.data(), rest.data() + rest.size(), numbers[i]);
        if (error != std::errc{}) return std::nullopt;
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        if (i + 1 == numbers.size()) break;
        if (!rest.starts_with('.')) return std::nullopt;
        rest.remove_prefix(1);
    }
    const Supervisor found{numbers[0], static_cast<pid_t>(numbers[1]), numbers[2]};
    if (to_name(found) != name) return std::nullopt;  // another spelling is not ours
    return found;
}

Supervisor own_supervisor() {
    const pid_t keeper = ::getppid();
    return {own_pid_namespace(), keeper, start_time_of(keeper)};
}

bool has_ended(const Supervisor& other) {
    const std::uint64_t ours = own_pid_namespace();
    if (ours == 0 || other.pid_namespace != ours) return false;
    const std::uint64_t start = start_time_of(other.keeper);
    return start == 0 || start != other.start;
}

}  // namespace jailsvc::jailer::cgroup
