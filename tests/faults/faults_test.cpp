// Every system call of a start fails in turn, by every error of interest: the program does not run
// and the message says why, or it runs in a jail that is whole; and nothing is left behind. Which
// calls there are is seen from a start in which nothing fails, so that what is new is tried too.

#include <fmt/format.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "calls.hpp"
#include "verdict.hpp"

using namespace jailsvc;
using namespace jailsvc::faults;

namespace {

/// So many faults of each scenario are tried unless all are asked for: those at even distances.
constexpr std::size_t kSample = 75;

bool wants_all() {
    const char* const asked = std::getenv("JAILSVC_FAULTS");
    return asked != nullptr && std::string(asked) == "all";
}

std::vector<Fault> faults_of(const Scenario& scenario, const Trace& trace) {
    std::vector<Fault> all;
    for (const Site& site : trace.calls) {
        for (const int error : errors_of(site.id.number, site.id.variant)) {
            all.push_back({scenario, site, error});
        }
    }
    if (wants_all() || all.size() <= kSample) return all;
    std::vector<Fault> some;
    for (std::size_t i = 0; i < kSample; ++i) some.push_back(all[i * all.size() / kSample]);
    return some;
}

std::string to_text(const Fault& fault) {
    return fmt::format("{} {}", faults::to_text(fault.site), ::strerrorname_np(fault.error));
}

/// Counts, for the line that is printed at the end.
struct Tally {
    std::map<Kind, std::size_t> of;
    std::set<std::string> harmless;

    void add(const Fault& fault, Kind kind, const Attempt& attempt) {
        ++of[kind];
        if (kind != Kind::kHarmless) return;
        const char* const why = faults::harmless(fault, attempt);
        harmless.insert(fmt::format("  {} {}: {}\n", faults::to_text(fault.site.id),
                                    ::strerrorname_np(fault.error), why != nullptr ? why : "?"));
    }

    void print(const std::string& name, std::size_t calls, std::size_t tried) {
        fmt::print(
            "{}: {} calls, {} faults tried: {} refused, {} without consequence, {} ended the "
            "jailer, {} not reached\n",
            name, calls, tried, of[Kind::kRefused], of[Kind::kHarmless], of[Kind::kNewJailer],
            of[Kind::kNotReached]);
        if (!wants_all()) return;
        for (const auto& line : harmless) fmt::print("{}", line);
    }
};

void sweep(const Scenario& scenario) {
    Ground ground(scenario);
    const Trace trace = ground.record();
    CHECK(trace.complete);
    CHECK(ground.programs() == 1);  // control: what is judged by it is seen
    const std::vector<Fault> faults = faults_of(scenario, trace);
    Tally tally;
    for (const Fault& fault : faults) {
        INFO(scenario.name << ": " << to_text(fault));
        const Attempt attempt = ground.attempt(fault.site, -fault.error);
        const Verdict verdict = judge(fault, attempt);
        INFO("about " << attempt.trace.path << "\n" << attempt.said);
        for (const auto& complaint : verdict.complaints) FAIL_CHECK(complaint);
        tally.add(fault, verdict.kind, attempt);
    }
    tally.print(scenario.name, trace.calls.size(), faults.size());
    // The order of calls varies a little from start to start; a sweep that misses is none.
    CHECK(tally.of[Kind::kNotReached] * 5 < faults.size());
}

constexpr const char* kRich = R"(
[jail.cgroups]
memory_max = "256M"
tasks_max = 50
cpu_quota = "80%"
[jail.chroot]
tmpfs = ["/srv:size=1M,mode=0755"]
masked = ["-/opt"]
devices = ["/dev/kmsg"]
binds = ["@ROOT@/writable"]
state_directory = ["probe"]
runtime_directory = ["probe"]
[jail.namespaces]
hostname = "probe-host"
time = true
[jail.network]
mode = "loopback"
[jail.identity]
supplementary_groups = ["games"]
[jail.identity.limits]
nofile = "100:200"
[jail.pledge]
promises = "stdio rpath wpath cpath inet unix proc"
)";

constexpr const char* kUnveiled = R"(
[jail.unveil]
"@ROOT@/probe" = "rx"
"/etc/ssl" = "r"
"/usr/bin" = "rx"
"/tmp" = "rwc"
tcp_bind = ["8080"]
tcp_connect = ["65322"]
scope = "all"
)";

constexpr const char* kMapped = R"(
[jail]
profile = "trusted"
[jail.namespaces]
user = true
uid_map = ["0 700000 1000"]
gid_map = ["0 700000 1000"]
[jail.identity]
user = "5"
group = "5"
)";

constexpr const char* kPrivate = R"(
[jail.network]
mode = "private"
edges = ["host:53/udp"]
)";

constexpr const char* kListening = R"(
[socket]
listen = ["tcp:127.0.0.1:18088", "unix:@ROOT@/writable/socket"]
)";

constexpr const char* kSecret = R"(
[credentials.file]
key = "@ROOT@/secret"
)";

bool can_sweep() {
    const std::string why = ::geteuid() != 0 ? "making jails needs root" : Tracer::why_not();
    if (!why.empty()) WARN("skipped: " << why);
    return why.empty();
}

/// The first of these calls; fails the test where there is none.
Site first_of(const Trace& trace, Role role, int number, std::uint64_t variant) {
    const auto is_it = [&](const Site& site) {
        return site.id.role == role && site.id.number == number && site.id.variant == variant;
    };
    const auto found = std::ranges::find_if(trace.calls, is_it);
    REQUIRE(found != trace.calls.end());
    return *found;
}

bool has_part(const std::vector<std::string>& lines, std::string_view part) {
    return std::ranges::any_of(lines,
                               [part](const auto& line) { return line.find(part) != line.npos; });
}

const std::vector<Scenario>& scenarios() {
    static const std::vector<Scenario> all{
        {.name = "profile default", .unit = "", .probes = true},
        {.name = "profile default, planned", .unit = "", .plans = true, .probes = true},
        {.name = "profile trusted",
         .unit = "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"root\"\n",
         .probes = true},
        {.name = "profile host", .unit = "[jail]\nprofile = \"host\"\n"},
        {.name = "limits, devices, promises", .unit = kRich, .pools = true, .probes = true},
        {.name = "unveiled paths", .unit = kUnveiled, .probes = true},
        {.name = "credentials", .unit = kSecret, .probes = true},
        {.name = "readiness by message",
         .unit = "",
         .service = "type = \"notify\"\n",
         .probes = true},
        {.name = "readiness by a newline",
         .unit = "",
         .service = "type = \"notify_fd\"\nnotify_fd = 3\n",
         .probes = true},
        {.name = "sockets", .unit = kListening, .listens = true, .probes = true},
        {.name = "mapped ids", .unit = kMapped},
        {.name = "private network", .unit = kPrivate, .pools = true, .rules = true, .probes = true},
    };
    return all;
}

}  // namespace

TEST_CASE("faults: whatever call of a start fails, no program runs but in a whole jail",
          "[faults][jail][S2.10][E38]") {
    if (!can_sweep()) return;
    for (const Scenario& scenario : scenarios()) {
        // Their calls differ from run to run, so that a sample would not be the same one twice.
        const bool varies = scenario.pools || scenario.unit == kSecret || scenario.unit == kMapped;
        if (varies && !wants_all()) continue;
        DYNAMIC_SECTION(scenario.name) {
            sweep(scenario);
        }
    }
}

// The control: a caller that takes an error for success is the same as one that is told "done" by a
// call that did nothing.
TEST_CASE("faults: a failed call that its caller passes over is noticed", "[faults][jail][S2.10]") {
    if (!can_sweep()) return;
    constexpr long kDone = 0;
    const Scenario scenario{.name = "control", .unit = "[jail]\nprofile = \"host\"\n"};
    Ground ground(scenario);
    const Trace trace = ground.record();
    SECTION("a jail that is another, which nothing reads back") {
        const Site site = first_of(trace, Role::kProgram, SYS_keyctl, KEYCTL_SETPERM);
        const Attempt attempt = ground.attempt(site, kDone);
        REQUIRE(attempt.trace.fired);
        CHECK(attempt.started);
        CHECK(has_part(attempt.weaker, "keyring"));
        const Verdict verdict = judge({scenario, site, EPERM}, attempt);
        CHECK(has_part(verdict.complaints, "nobody has said why"));
        CHECK(has_part(verdict.complaints, "its jail is another"));
    }
    SECTION("a descriptor that stays open in the jailer") {
        const Site site = first_of(trace, Role::kJailer, SYS_close, 0);
        const Attempt attempt = ground.attempt(site, kDone);
        REQUIRE(attempt.trace.fired);
        CHECK(has_part(attempt.left, "jailer: descriptor"));
        const Verdict verdict = judge({scenario, site, EPERM}, attempt);
        CHECK(has_part(verdict.complaints, "is left"));
    }
}
