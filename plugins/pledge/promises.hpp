#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What each promise permits: the table, without how a filter is made of it. The names and their
/// meaning are OpenBSD's, pledge(2); tcp and sysvipc are our own.
namespace pledge {

enum Promise : std::uint32_t {
    kStdio = 1U << 0,
    kRpath = 1U << 1,
    kWpath = 1U << 2,
    kCpath = 1U << 3,
    kDpath = 1U << 4,
    kFattr = 1U << 5,
    kChown = 1U << 6,
    kFlock = 1U << 7,
    kInet = 1U << 8,
    kTcp = 1U << 9,
    kMcast = 1U << 10,
    kUnix = 1U << 11,
    kDns = 1U << 12,
    kSendfd = 1U << 13,
    kRecvfd = 1U << 14,
    kTty = 1U << 15,
    kProc = 1U << 16,
    kExec = 1U << 17,
    kProtExec = 1U << 18,
    kId = 1U << 19,
    kSettime = 1U << 20,
    kUnveil = 1U << 21,
    kSysvipc = 1U << 22,
};
using Promises = std::uint32_t;  ///< a set

/// (argument & mask) == value. What the kernel takes as an int is compared in its low half, as the
/// kernel compares it; an unsigned long or a pointer in both.
struct Test {
    std::uint8_t argument;
    std::uint64_t mask;
    std::uint64_t value;
    bool operator==(const Test&) const = default;
};

/// In a comparison: the program's own pid, unknown until there is one. No pid is that large.
inline constexpr std::uint32_t kOwnPid = 0x6a737670;

/// A system call that is permitted if every test holds.
struct Rule {
    std::string_view call;
    std::array<Test, 3> tests{};
    std::size_t count = 0;
    std::string_view note{};  ///< what the tests mean, for people
    Promises also = 0;        ///< only together with all of these
    Promises unless = 0;      ///< only without any of these

    [[nodiscard]] std::span<const Test> conditions() const { return {tests.data(), count}; }
};

/// Rules that each of `promises` grants.
struct Group {
    Promises promises;
    std::span<const Rule> rules;
};

struct Name {
    Promise promise;
    std::string_view name;
    std::string_view meaning;
};

[[nodiscard]] std::span<const Group> groups();
[[nodiscard]] std::span<const Name> names();
/// Their names, as a unit writes them: "stdio rpath".
[[nodiscard]] std::string words_of(Promises promises);

/// Calls that are always answered with ENOSYS, so that the C library takes another way: their
/// arguments lie in memory, where no filter sees them.
[[nodiscard]] std::span<const std::string_view> absent();

/// Numbers of calls that libseccomp may be too old to know: the same on every architecture.
[[nodiscard]] std::optional<int> recent_number(std::string_view call);
/// The newest call that was weighed for this table; later ones do not exist for the program.
inline constexpr int kNewestCall = 469;  // file_setattr, Linux 6.17

/// Words of OpenBSD's that are no promise here, and what to say instead; nullopt: no such word.
[[nodiscard]] std::optional<std::string_view> why_not(std::string_view word);

/// What adds a filter to those there are, without a listener.
[[nodiscard]] std::span<const Rule> second_stage();

/// All rules that hold for these promises.
[[nodiscard]] std::vector<Rule> rules_for(Promises promises);

}  // namespace pledge
