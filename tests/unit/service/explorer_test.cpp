#include "explorer.hpp"

#include <catch2/catch.hpp>
#include <iostream>

#include "fakes.hpp"
#include "service/transitions.hpp"

using namespace jailsvc;
using namespace jailsvc::service;
using fakes::unit;

namespace {

/// Enough for every graph of up to three units to be walked to its end but the widest; those that
/// are not say so ("cut short"). Builds that are ten times slower, for debuggers and sanitizers,
/// look at the beginning only.
#ifdef NDEBUG
constexpr std::size_t kMaxStates = 150'000;
#else
constexpr std::size_t kMaxStates = 1'000;
#endif
constexpr std::size_t kMaxMutantStates = 20'000;

enum class Edge { kNone, kAfter, kWants, kRequires, kBindsTo, kConflicts, kPartOf, kOnFailure };

std::string name_of_number(std::size_t number) {
    return std::string(1, static_cast<char>('a' + number));
}

void connect(config::Unit& later, const config::Unit& earlier, Edge edge) {
    switch (edge) {
        case Edge::kNone:
            return;
        case Edge::kAfter:
            return later.unit.after.push_back(earlier.name);
        case Edge::kWants:
            return later.unit.wants.push_back(earlier.name);
        case Edge::kRequires:
            return later.unit.requires_.push_back(earlier.name);
        case Edge::kBindsTo:
            return later.unit.binds_to.push_back(earlier.name);
        case Edge::kOnFailure:
            return later.unit.on_failure.push_back(earlier.name);
        case Edge::kConflicts:
            return later.unit.conflicts.push_back(earlier.name);
        case Edge::kPartOf:
            return later.unit.part_of.push_back(earlier.name);
    }
}

config::Unit plain(std::size_t number, config::Restart restart = config::Restart::kOnFailure) {
    auto made = unit(name_of_number(number));
    made.service.restart = restart;
    made.unit.start_limit_burst = 2;
    return made;
}

config::Unit with_commands(std::size_t number) {
    auto made = plain(number);
    made.service.exec_start_pre = {{"/a"}, {"/b"}};
    for (auto* list : {&made.service.exec_start_post, &made.service.exec_stop,
                       &made.service.exec_stop_post, &made.service.exec_reload}) {
        *list = {{"/c"}};
    }
    return made;
}

config::Unit oneshot(std::size_t number, bool remain) {
    auto made = plain(number, config::Restart::kNo);
    made.service.type = config::ServiceType::kOneshot;
    made.service.remain_after_exit = remain;
    return made;
}

config::Unit on_demand(std::size_t number, config::Restart restart = config::Restart::kNo) {
    auto made = plain(number, restart);
    made.socket.make().listen = {"tcp:127.0.0.1:80"};
    made.socket.make().activation = config::Activation::kOnDemand;
    return made;
}

config::Unit accepting(std::size_t number) {
    auto made = on_demand(number);
    made.socket.make().accept = true;
    made.is_target = true;
    return made;
}

config::Unit of_type(std::size_t number, config::ServiceType type,
                     config::Restart restart = config::Restart::kOnFailure) {
    auto made = plain(number, restart);
    made.service.type = type;
    return made;
}

config::Unit watched(std::size_t number) {
    auto made = of_type(number, config::ServiceType::kNotify);
    made.readiness.make().watchdog = std::chrono::seconds(1);
    return made;
}

config::Unit checked(std::size_t number, config::OnUnhealthy action,
                     config::Ready ready = config::Ready::kType) {
    auto made = plain(number, config::Restart::kNo);
    config::HealthTable& health = made.health.make();
    health.tcp = "80";
    health.retries = 2;
    health.start_period = {};
    health.on_unhealthy = action;
    health.signal = 10;
    made.readiness.make().ready = ready;
    return made;
}

config::Unit with_conditions(config::Unit made) {
    made.condition.make().path_exists = {"/x"};
    return made;
}

config::Unit target(std::size_t number) {
    auto made = plain(number);
    made.is_target = true;
    return made;
}

std::string tell(const Exploration& found) {
    std::string text = found.violation;
    for (const auto& event : found.path) text += "\n  " + event;
    return text;
}

struct Sum {
    std::size_t topologies = 0, states = 0, transitions = 0, restored = 0, cut = 0;
    void add(const Exploration& found) {
        ++topologies;
        states += found.states;
        transitions += found.transitions;
        restored += found.restored;
        cut += found.complete ? 0 : 1;
    }
    void print(const char* what) const {
        std::cout << "explorer: " << what << ": " << topologies << " topologies, " << states
                  << " states, " << transitions << " transitions, " << restored << " restored, "
                  << cut << " cut short\n";
    }
};

/// Every graph over the units whose edges point to lower numbers; `edges` kinds of edge.
void for_all_graphs(const std::vector<config::Unit>& units, const std::vector<Edge>& edges,
                    const std::function<void(std::vector<config::Unit>)>& visit) {
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    for (std::size_t later = 1; later < units.size(); ++later) {
        for (std::size_t earlier = 0; earlier < later; ++earlier)
            pairs.emplace_back(later, earlier);
    }
    std::vector<std::size_t> choice(pairs.size(), 0);
    for (bool more = true; more;) {
        auto graph = units;
        for (std::size_t at = 0; at < pairs.size(); ++at) {
            const auto [later, earlier] = pairs[at];
            connect(graph[later], units[earlier], edges[choice[at]]);
        }
        visit(std::move(graph));
        more = false;
        for (auto& digit : choice) {
            if (++digit < edges.size()) {
                more = true;
                break;
            }
            digit = 0;
        }
    }
}

void explore(Sum& sum, const std::vector<config::Unit>& units, const Alphabet& alphabet) {
    Explorer explorer(units, alphabet);
    const Exploration found = explorer.run(kMaxStates);
    for (const auto& one : units) {
        for (const auto& name : one.unit.requires_) UNSCOPED_INFO(one.name << " requires " << name);
        for (const auto& name : one.unit.after) UNSCOPED_INFO(one.name << " after " << name);
    }
    INFO(tell(found));
    REQUIRE(found.violation.empty());
    sum.add(found);
}

/// Without restart policy: what is left is order and failure.
config::Unit simple(std::size_t number) {
    return plain(number, config::Restart::kNo);
}

/// Units that have nothing to do with each other show nothing that fewer units do not.
bool is_connected(const std::vector<config::Unit>& units) {
    std::vector<std::size_t> group(units.size());
    for (std::size_t at = 0; at < group.size(); ++at) group[at] = at;
    for (std::size_t at = 0; at < units.size(); ++at) {
        for (const std::string& name : units[at].unit.requires_) {
            const std::size_t from = group[at];
            std::ranges::replace(group, from, group[static_cast<std::size_t>(name[0] - 'a')]);
        }
    }
    return std::ranges::count(group, group.front()) == static_cast<std::ptrdiff_t>(group.size());
}

constexpr Alphabet kMost{.late_answers = false, .restore_every = 8, .settle_every = 8};
constexpr Alphabet kFew{.restart = false,
                        .reload = false,
                        .exit_clean = false,
                        .exit_signal = false,
                        .launch_failure = false,
                        .timeouts = false,
                        .interrupted = false,
                        .late_answers = false,
                        .tells = false,
                        .load = false,
                        .max_open = 3,
                        .restore_every = 4,
                        .settle_every = 32};
constexpr Alphabet kFewest = [] {
    Alphabet alphabet = kFew;
    alphabet.max_open = 1;
    alphabet.restore_every = 16;
    return alphabet;
}();

// Broken tables.

Step starts_too_early(State state, Event event, const Facts& facts) {
    return step(state, event == Event::kWait ? Event::kStart : event, facts);
}
Step forgets_the_limit(State state, Event event, const Facts& facts) {
    Facts lenient = facts;
    lenient.limit = false;
    return step(state, event, lenient);
}
Step leaves_the_process(State state, Event event, const Facts& facts) {
    if (state == State::kStarting && event == Event::kStop)
        return {State::kInactive, Phase::kNone, State::kInactive, {}};
    return step(state, event, facts);
}
Step forgets_the_teardown(State state, Event event, const Facts& facts) {
    Step taken = step(state, event, facts);
    if (taken.phase == Phase::kTeardown && state == State::kStarting) {
        return {taken.after, Phase::kNone, State::kInactive, {}};
    }
    return taken;
}
Step tears_down_the_living(State state, Event event, const Facts& facts) {
    if (state == State::kStopping && event == Event::kStarted) {
        return {State::kStopping, Phase::kTeardown, facts.after, {Action::kTeardown}};
    }
    return step(state, event, facts);
}
Step gives_no_reason(State state, Event event, const Facts& facts) {
    if (event != Event::kDependencyFailed) return step(state, event, facts);
    Step taken = step(state, event, facts);
    taken.actions = {};
    return taken;
}
Step waits_for_nobody(State state, Event event, const Facts& facts) {
    Step taken = step(state, event, facts);
    if (taken.next != State::kListening || state != State::kStopping) return taken;
    taken.actions = {Action::kListens};
    return taken;
}

Step keeps_the_old_reason(State state, Event event, const Facts& facts) {
    const Step taken = step(state, event, facts);
    if (event != Event::kStart && event != Event::kBackoffOver) return taken;
    Step forgetful{taken.next, taken.phase, taken.after, {}};
    for (const Action action : taken.actions) {
        if (action != Action::kAdopt) forgetful.actions.add(action);
    }
    return forgetful;
}
Step takes_exec_for_ready(State state, Event event, const Facts& facts) {
    Facts hasty = facts;
    hasty.tells_ready = false;
    return step(state, event, hasty);
}
Step takes_the_launcher_for_the_daemon(State state, Event event, const Facts& facts) {
    Facts hasty = facts;
    hasty.forking = false;
    return step(state, event, hasty);
}
Step forgets_what_was_said_early(State state, Event event, const Facts& facts) {
    Facts deaf = facts;
    deaf.told_ready = false;
    return step(state, event, deaf);
}
Step does_not_watch(State state, Event event, const Facts& facts) {
    Step taken = step(state, event, facts);
    Step blind{taken.next, taken.phase, taken.after, {}};
    for (const Action action : taken.actions) {
        if (action != Action::kArmWatchdog) blind.actions.add(action);
    }
    return blind;
}
Step watches_the_dying(State state, Event event, const Facts& facts) {
    Step taken = step(state, event, facts);
    Step stubborn{taken.next, taken.phase, taken.after, {}};
    for (const Action action : taken.actions) {
        if (action != Action::kDisarmWatchdog) stubborn.actions.add(action);
    }
    return stubborn;
}
Step reloads_for_ever(State state, Event event, const Facts& facts) {
    if (event != Event::kReloadingTold) return step(state, event, facts);
    Step taken = step(state, event, facts);
    taken.actions = {};
    return taken;
}
Step looks_at_nothing(State state, Event event, const Facts& facts) {
    Facts blind = facts;
    blind.conditions = false;
    return step(state, event, blind);
}
Step skips_and_starts(State state, Event event, const Facts& facts) {
    const bool unmet = event == Event::kCommandFailed && facts.phase == Phase::kCondition;
    return step(state, unmet ? Event::kCommandDone : event, facts);
}
Step checks_nobody(State state, Event event, const Facts& facts) {
    Facts blind = facts;
    blind.checks = false;
    return step(state, event, blind);
}
Step checks_the_dying(State state, Event event, const Facts& facts) {
    const Step taken = step(state, event, facts);
    Step stubborn{taken.next, taken.phase, taken.after, {}};
    for (const Action action : taken.actions) {
        if (action != Action::kEndChecks) stubborn.actions.add(action);
    }
    return stubborn;
}
Step bears_illness(State state, Event event, const Facts& facts) {
    return event == Event::kUnhealthy ? stay(state, facts) : step(state, event, facts);
}
Step takes_exec_for_healthy(State state, Event event, const Facts& facts) {
    Facts hasty = facts;
    hasty.ready_by_health = false;
    return step(state, event, hasty);
}
Step never_answers(State state, Event event, const Facts& facts) {
    if (event == Event::kTornDown) return stay(state, facts);
    return step(state, event, facts);
}

}  // namespace

TEST_CASE("explorer: one unit of every kind keeps the invariants in every order of events",
          "[service][explorer]") {
    Sum sum;
    for (const auto& only : {plain(0), plain(0, config::Restart::kAlways), with_commands(0),
                             oneshot(0, false), oneshot(0, true), target(0), on_demand(0),
                             on_demand(0, config::Restart::kAlways), accepting(0)}) {
        explore(sum, {only}, {});
    }
    auto worker = oneshot(0, false);
    worker.socket = on_demand(0).socket;
    explore(sum, {worker}, {});
    auto busy = with_commands(0);
    busy.socket = on_demand(0).socket;
    explore(sum, {busy}, {});
    sum.print("1 unit, all kinds, all events");
}

TEST_CASE("explorer: a unit that tells of itself keeps the invariants in every order of events",
          "[service][explorer]") {
    Sum sum;
    using enum config::ServiceType;
    auto commanded = with_commands(0);
    commanded.service.type = kNotify;
    commanded.service.exec_start_pre = {{"/a"}};
    commanded.readiness.make().watchdog = std::chrono::seconds(1);
    auto forking = with_commands(0);
    forking.service.type = kForking;
    forking.service.exec_start_pre = {{"/a"}};
    for (const auto& only : {of_type(0, kNotify), of_type(0, kNotifyFd, config::Restart::kAlways),
                             watched(0), of_type(0, kForking), commanded, forking}) {
        explore(sum, {only}, {});
    }
    sum.print("1 unit that tells of itself, all events");
}

TEST_CASE("explorer: a unit with conditions keeps the invariants in every order of events",
          "[service][explorer]") {
    Sum sum;
    for (const auto& only : {plain(0), with_commands(0), oneshot(0, false), oneshot(0, true),
                             target(0), on_demand(0), on_demand(0, config::Restart::kAlways)}) {
        explore(sum, {with_conditions(only)}, kMost);
    }
    for_all_graphs({with_conditions(simple(0)), simple(1)},
                   {Edge::kAfter, Edge::kRequires, Edge::kBindsTo, Edge::kConflicts},
                   [&](auto units) { explore(sum, std::move(units), kMost); });
    for_all_graphs({simple(0), with_conditions(simple(1))},
                   {Edge::kRequires, Edge::kBindsTo, Edge::kPartOf, Edge::kOnFailure},
                   [&](auto units) { explore(sum, std::move(units), kMost); });
    sum.print("1 and 2 units, conditions");
}

TEST_CASE("explorer: a unit with health checks keeps the invariants in every order of events",
          "[service][explorer][S1.9]") {
    Sum sum;
    using enum config::OnUnhealthy;
    auto busy = checked(0, kRestart, config::Ready::kHealth);
    busy.service.exec_start_pre = busy.service.exec_start_post = {{"/a"}};
    busy.service.exec_stop = busy.service.exec_stop_post = busy.service.exec_reload = {{"/a"}};
    auto told = checked(0, kRestart, config::Ready::kHealth);
    told.service.type = config::ServiceType::kNotify;
    auto forking = checked(0, kRestart, config::Ready::kHealth);
    forking.service.type = config::ServiceType::kForking;
    Alphabet fewer;
    fewer.settle_every = fewer.restore_every = 4;
    for (const auto& only : {checked(0, kNone), checked(0, kSignal), checked(0, kRestart),
                             checked(0, kRestart, config::Ready::kHealth), told, forking}) {
        explore(sum, {only}, fewer);
    }
    fewer.load = fewer.exit_signal = fewer.interrupted = fewer.late_answers = false;
    explore(sum, {busy}, fewer);
    Alphabet few = kFew;
    few.max_open = 2;
    for_all_graphs({checked(0, kRestart, config::Ready::kHealth), simple(1)},
                   {Edge::kAfter, Edge::kRequires, Edge::kBindsTo, Edge::kConflicts},
                   [&](auto units) { explore(sum, std::move(units), few); });
    sum.print("1 and 2 units, health checks");
}

TEST_CASE("explorer: nobody starts before what it needs is ready", "[service][explorer]") {
    Sum sum;
    using enum config::ServiceType;
    const std::vector<Edge> edges{Edge::kAfter, Edge::kRequires, Edge::kBindsTo, Edge::kConflicts};
    Alphabet calm = kMost;
    calm.load = calm.exit_signal = calm.interrupted = false;
    for_all_graphs({of_type(0, kNotify), simple(1)}, edges,
                   [&](auto units) { explore(sum, std::move(units), calm); });
    for_all_graphs({of_type(0, kForking), simple(1)}, edges,
                   [&](auto units) { explore(sum, std::move(units), calm); });
    Alphabet few = kFew;
    few.max_open = 2;
    for_all_graphs({of_type(0, kNotify, config::Restart::kNo),
                    of_type(1, kNotify, config::Restart::kNo), simple(2)},
                   {Edge::kNone, Edge::kRequires},
                   [&](auto units) { explore(sum, std::move(units), few); });
    sum.print("2 and 3 units, some of which tell of themselves");
}

TEST_CASE("explorer: two units with every relation keep the invariants", "[service][explorer]") {
    Sum sum;
    const std::vector<Edge> all{Edge::kNone,    Edge::kAfter,     Edge::kWants,  Edge::kRequires,
                                Edge::kBindsTo, Edge::kConflicts, Edge::kPartOf, Edge::kOnFailure};
    const std::vector<std::vector<config::Unit>> casts = {
        {plain(0), plain(1)},          {oneshot(0, false), plain(1)}, {plain(0), target(1)},
        {target(0), oneshot(1, true)}, {on_demand(0), plain(1)},      {plain(0), on_demand(1)},
    };
    for (const auto& cast : casts) {
        for_all_graphs(cast, all, [&](auto units) { explore(sum, std::move(units), kMost); });
    }
    sum.print("2 units, all relations, all events");
}

TEST_CASE("explorer: three units in every order and requirement keep the invariants",
          "[service][explorer]") {
    Sum sum;
    for_all_graphs({simple(0), simple(1), simple(2)}, {Edge::kNone, Edge::kAfter, Edge::kRequires},
                   [&](auto units) { explore(sum, std::move(units), kFew); });
    sum.print("3 units, after and requires, few events");
}

TEST_CASE("explorer: three units of which some bind to others keep the invariants",
          "[service][explorer]") {
    Sum sum;
    const auto restarting = plain(0);
    for_all_graphs({restarting, simple(1), simple(2)},
                   {Edge::kNone, Edge::kRequires, Edge::kBindsTo},
                   [&](auto units) { explore(sum, std::move(units), kFewest); });
    sum.print("3 units, requires and binds_to, few events");
}

TEST_CASE("explorer: units that start each other come to an end", "[service][explorer]") {
    Sum sum;
    auto units = std::vector{oneshot(0, false), oneshot(1, false)};
    for (const std::size_t one : {0U, 1U}) {
        units[one].unit.on_failure = {name_of_number(1 - one)};
        units[one].unit.on_success = {name_of_number(1 - one)};
    }
    explore(sum, units, kMost);
    auto self = simple(0);
    self.unit.on_failure = {"a"};
    explore(sum, {self}, {});
    sum.print("units that start each other, all events");
}

TEST_CASE("explorer: four units that require each other in every way keep the invariants",
          "[service][explorer]") {
    Sum sum;
    for_all_graphs({simple(0), simple(1), simple(2), simple(3)}, {Edge::kNone, Edge::kRequires},
                   [&](auto units) {
                       if (is_connected(units)) explore(sum, units, kFewest);
                   });
    sum.print("4 units, requires, few events");
}

TEST_CASE("explorer: a broken table is found", "[service][explorer]") {
    auto units = std::vector{plain(0), plain(1)};
    connect(units[1], units[0], Edge::kRequires);
    const auto violation = [&](Explorer::Table table) {
        return Explorer(units, kMost, table).run(kMaxMutantStates).violation;
    };
    CHECK(violation(step).empty());
    CHECK_FALSE(violation(starts_too_early).empty());
    CHECK_FALSE(violation(forgets_the_limit).empty());
    CHECK_FALSE(violation(leaves_the_process).empty());
    CHECK_FALSE(violation(forgets_the_teardown).empty());
    CHECK_FALSE(violation(tears_down_the_living).empty());
    CHECK_FALSE(violation(never_answers).empty());
    CHECK_FALSE(violation(gives_no_reason).empty());
    const auto told = [](config::Unit first, Explorer::Table table) {
        auto two = std::vector{std::move(first), plain(1)};
        connect(two[1], two[0], Edge::kRequires);
        Alphabet all = kMost;
        all.late_answers = true;
        return Explorer(two, all, table).run(kMaxMutantStates).violation;
    };
    using enum config::ServiceType;
    CHECK(told(of_type(0, kNotify), step).empty());
    CHECK_FALSE(told(of_type(0, kNotify), takes_exec_for_ready).empty());
    CHECK_FALSE(told(of_type(0, kForking), takes_the_launcher_for_the_daemon).empty());
    CHECK_FALSE(told(of_type(0, kNotify), forgets_what_was_said_early).empty());
    CHECK_FALSE(told(watched(0), does_not_watch).empty());
    CHECK_FALSE(told(watched(0), watches_the_dying).empty());
    CHECK_FALSE(told(of_type(0, kNotify), reloads_for_ever).empty());
    CHECK_FALSE(told(with_conditions(plain(0)), looks_at_nothing).empty());
    CHECK_FALSE(told(with_conditions(plain(0)), skips_and_starts).empty());
    using enum config::OnUnhealthy;
    const auto by_health = checked(0, kRestart, config::Ready::kHealth);
    CHECK(told(by_health, step) == "");
    CHECK_FALSE(told(checked(0, kNone), checks_nobody).empty());
    CHECK_FALSE(told(checked(0, kNone), checks_the_dying).empty());
    CHECK_FALSE(told(checked(0, kRestart), bears_illness).empty());
    CHECK_FALSE(told(by_health, takes_exec_for_healthy).empty());
    CHECK(violation(keeps_the_old_reason).find("is up, and still says") != std::string::npos);
    units = {on_demand(0)};
    CHECK(violation(step).empty());
    CHECK_FALSE(violation(waits_for_nobody).empty());
}
