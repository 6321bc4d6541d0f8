#include "ground.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <sstream>

#include "base/sys.hpp"

namespace jailsvc::faults {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{10};  ///< for what is cleaned up behind an answer
constexpr int kBetweenLooksMs = 2;
constexpr int kQuietLooks = 60;      ///< so many alike: nothing goes on any more
constexpr int kHopelessLooks = 500;  ///< so many alike, and not as they should be: they stay so
constexpr int kPatienceMs = 10'000;
constexpr const char* kUnit = "probe";
constexpr const char* kCalm = "calm";
constexpr const char* kHere = "@ROOT@";

Fd new_network() {
    Fd own(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    REQUIRE(own);
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    REQUIRE(jailer::set_loopback(true));
    Fd made(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    REQUIRE(::setns(own.get(), CLONE_NEWNET) == 0);
    return made;
}

/// Between two looks at a condition, not a wait for time to pass.
void look_again_soon() {
    (void)::poll(nullptr, 0, kBetweenLooksMs);
}

/// Until it is as wanted; else until nothing has changed for so many looks. What is wanted comes
/// soon, or late where the machine has much else to do.
template <typename Look, typename Wanted>
Lines look_until_settled(const Look& look, const Wanted& wanted, int quiet_looks) {
    const auto deadline = Clock::now() + kPatience;
    Lines last = look();
    for (int alike = 0; !wanted(last) && alike < quiet_looks && Clock::now() < deadline;) {
        look_again_soon();
        Lines now = look();
        alike = now == last ? alike + 1 : 0;
        last = std::move(now);
    }
    return last;
}

std::string unit_text(const Scenario& scenario, const std::string& root, ipc::Token run) {
    std::string text = fmt::format(
        "[service]\nexec_start = [\"{}/probe\"]\n{}[environment]\nset = {{ RUN = \"{}\" }}\n{}",
        root, scenario.service, scenario.plans ? run : 0, scenario.unit);
    for (auto at = text.find(kHere); at != std::string::npos; at = text.find(kHere)) {
        text.replace(at, std::string_view(kHere).size(), root);
    }
    return text;
}

}  // namespace

/// Below /var/lib, since a jail has a /var/tmp of its own.
Shown::Shown() : path_("/var/lib/jailsvc-faults-XXXXXX") {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
    REQUIRE(::chmod(path_.c_str(), 0755) == 0);
    REQUIRE(sys::make_directories(path_ + "/writable"));
    REQUIRE(sys::replace_file(path_ + "/secret", "of the unit's\n", 0600));
    fs::copy_file(JAILSVC_FAULT_PROBE, path_ + "/probe");
    REQUIRE(::chmod((path_ + "/probe").c_str(), 0755) == 0);
}
Shown::~Shown() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

Ground::Ground(Scenario scenario) : scenario_(std::move(scenario)) {
    network_ = new_network();
    into_.emplace(network_.get());
    world_.program = JAILSVC_JAILSVCD;
    world_.may_end = true;
    world_.not_ours.insert(tracer_.process());
    world_.write_unit(kUnit, unit_text(scenario_, shown_.path(), 0));
    world_.write_unit(kCalm, "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n");
    digest_ = world_.digest_of_unit(kUnit);
    calm_digest_ = world_.digest_of_unit(kCalm);
    begin_jailer();
    warm_up();
    present_ = settled(nullptr);
}

void Ground::begin_jailer() {
    world_.start_jailer();
    (void)world_.count_processes(kCalm);  // it has begun
    tracer_.attach(world_.jailer());
}

/// What is made once for all starts is made.
void Ground::warm_up() {
    for (int i = 0; i < 3; ++i) {
        const Answer answer = start();
        INFO(ipc::get_text(answer.refusal.text) << said());
        REQUIRE(answer.started);
        jail_ = jail_of(answer.pid, nullptr);
        stop();
        REQUIRE(start_calm());
    }
}

Trace Ground::record() {
    tracer_.record();
    const Answer answer = start();
    Trace trace = tracer_.finish();
    REQUIRE(answer.started);
    const Lines jail = jail_of(answer.pid, &jail_);
    INFO("a jail like any other of this unit differs:\n" << to_text(difference(jail, jail_)));
    REQUIRE(jail == jail_);
    stop();
    return trace;
}

Attempt Ground::attempt(const Site& site, long result) {
    Attempt attempt;
    (void)said();
    tracer_.inject(site, result);
    Answer answer;
    try {
        answer = start();
        attempt.trace = tracer_.finish();
        attempt.started = answer.started;
        attempt.refusal = answer.refusal;
        if (answer.started) {
            const Lines jail = jail_of(answer.pid, &jail_);
            attempt.weaker = difference(jail, jail_);
            const Lines less = difference(jail_, jail);
            attempt.weaker.insert(attempt.weaker.end(), less.begin(), less.end());
        }
        stop();
        attempt.programs = tracer_.programs();
        attempt.left = difference(settled(&present_), present_);
        attempt.goes_on = start_calm();
    } catch (const test::JailerEnded&) {
        if (!attempt.trace.fired) attempt.trace = tracer_.finish();
        attempt.jailer_ended = true;
        take_over();
        attempt.left = difference(settled(nullptr), present_);
        // Another process has other descriptors; what it holds is compared from the next start on.
        std::erase_if(attempt.left,
                      [](const auto& line) { return line.starts_with("jailer: descriptor"); });
        attempt.goes_on = start_calm();
        warm_up();
        present_ = settled(nullptr);
    } catch (...) {
        // It hangs: Catch2 tells where; this, who waits for what.
        WARN("hangs:\n" << to_text(who_waits(world_)) << said());
        throw;
    }
    attempt.said = said();
    return attempt;
}

/// As the keeper does, and then the engine, which does not know what became of the start.
void Ground::take_over() {
    world_.kill_jailer();
    begin_jailer();
    stop();
}

Ground::Answer Ground::start() {
    ++token_;
    forget_output();
    if (scenario_.plans) {
        world_.write_unit(kUnit, unit_text(scenario_, shown_.path(), token_));
        digest_ = world_.digest_of_unit(kUnit);
    }
    auto message = ipc::make<ipc::Start>();
    message.token = token_;
    message.purpose = ipc::Purpose::kMain;
    std::ranges::copy(digest_, message.digest);
    ipc::set_text(message.unit, kUnit);
    world_.send(message);
    Answer answer;
    answer.started = world_.wait_answered(token_);
    if (answer.started) {
        answer.pid = world_.started.back().pid;
    } else {
        answer.refusal = world_.failed.back();
    }
    return answer;
}

void Ground::stop() {
    world_.teardown(token_, kUnit);
    world_.wait_torn_down(token_);
    world_.started.clear();
    world_.failed.clear();
    world_.torn_down.clear();
    std::erase_if(world_.processes,
                  [](const auto& item) { return item.second.status.has_value(); });
}

bool Ground::start_calm() {
    const ipc::Token token = ++token_;
    auto message = ipc::make<ipc::Start>();
    message.token = token;
    message.purpose = ipc::Purpose::kMain;
    std::ranges::copy(calm_digest_, message.digest);
    ipc::set_text(message.unit, kCalm);
    world_.send(message);
    const bool started = world_.wait_answered(token);
    world_.teardown(token, kCalm);
    world_.wait_torn_down(token);
    return started;
}

/// A jail's init goes on for a moment after the start is answered: looks until all is as in `aim`,
/// or, without one, until nothing changes any more.
Lines Ground::jail_of(pid_t program, const Lines* aim) {
    std::istringstream from_inside(read_until_end());
    Lines inside;
    for (std::string line; std::getline(from_inside, line);) {
        const bool own = line.starts_with("env RUN=") || line.starts_with("env INVOCATION_ID=");
        if (!own) inside.push_back("inside: " + line);
    }
    const auto look = [&] {
        Lines lines = seen_from_outside(program, world_.registered_stub(token_));
        lines.insert(lines.end(), inside.begin(), inside.end());
        std::ranges::sort(lines);
        return lines;
    };
    return look_until_settled(
        look, [aim](const Lines& lines) { return aim != nullptr && lines == *aim; },
        aim != nullptr ? kHopelessLooks : kQuietLooks);
}

/// Of a program that nobody has listened to: the jailer ended when it had been executed.
void Ground::forget_output() {
    for (const test::KeptFd& item : world_.kept) {
        if (item.kind != ipc::Kept::kLogPipe) continue;
        pollfd readable{item.fd.get(), POLLIN, 0};
        char block[4096];
        while (::poll(&readable, 1, 0) == 1 && ::read(item.fd.get(), block, sizeof block) > 0) {
        }
    }
}

/// What the program has written to its log pipe, of which the keeper holds the reading end.
std::string Ground::read_until_end() {
    const auto pipe = std::ranges::find_if(world_.kept, [](const test::KeptFd& item) {
        return item.kind == ipc::Kept::kLogPipe && item.unit == kUnit;
    });
    if (pipe == world_.kept.end()) return "no log pipe was stored\n";
    std::string text;
    while (!text.ends_with("end\n")) {
        pollfd readable{pipe->fd.get(), POLLIN, 0};
        char block[4096];
        if (::poll(&readable, 1, kPatienceMs) != 1) return text + "no end came\n";
        const ssize_t count = ::read(pipe->fd.get(), block, sizeof block);
        if (count <= 0) return text + "its output ended\n";
        text.append(block, static_cast<std::size_t>(count));
    }
    return text;
}

Lines Ground::settled(const Lines* aim) {
    return look_until_settled(
        [this] { return all_there_is(world_); },
        [aim](const Lines& lines) { return aim != nullptr && difference(lines, *aim).empty(); },
        aim != nullptr ? kHopelessLooks : kQuietLooks);
}

std::string Ground::said() {
    const auto text = sys::read_file(world_.root + "/said", 64U << 20);
    if (!text) return "";
    return text->substr(std::exchange(said_before_, text->size()));
}

}  // namespace jailsvc::faults
