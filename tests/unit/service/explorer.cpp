// The walk: jumping between states, trying every move in each.

#include "explorer.hpp"

#include <algorithm>

#include "explorer_parts.hpp"

namespace jailsvc::service {
namespace {

constexpr std::size_t kMaxAnswers = 200;

}  // namespace

Explorer::Explorer(std::vector<config::Unit> units, Alphabet alphabet, Table table)
    : units_(std::move(units)), alphabet_(alphabet), manager_(*this, *this, *this) {
    manager_.impl_->decide = table;
    (void)manager_.load(units_);
    for (const config::Unit& unit : units_) entries_.push_back(manager_.impl_->find(unit.name));
    sides_.resize(units_.size());
}

std::size_t Explorer::index(std::string_view unit) const {
    const auto found = std::ranges::find(units_, unit, &config::Unit::name);
    return static_cast<std::size_t>(found - units_.begin());
}

void Explorer::expect(bool holds, const std::string& what) {
    if (!holds && violation_.empty()) violation_ = what;
}

Explorer::Snapshot Explorer::save() const {
    Snapshot snapshot;
    for (const Entry* unit : entries_) snapshot.lives.push_back(unit->life);
    snapshot.sides = sides_;
    snapshot.open = open_;
    snapshot.next_token = manager_.impl_->next_token;
    snapshot.next_job = manager_.impl_->next_job;
    return snapshot;
}

void Explorer::jump(const Snapshot& to) {
    Manager::Impl& impl = *manager_.impl_;
    impl.tokens.clear();
    impl.active = 0;
    impl.next_token = to.next_token;
    impl.next_job = to.next_job;
    for (std::size_t unit = 0; unit < entries_.size(); ++unit) {
        entry(unit).life = to.lives[unit];
        const Vitals& record = entry(unit).record();
        entry(unit).told = record.state;
        if (!at_rest(entry(unit))) ++impl.active;
        if (record.main_token != 0) impl.tokens.add(record.main_token, entry(unit));
        if (record.adopted_token != 0) impl.tokens.add(record.adopted_token, entry(unit));
        if (record.control_token != 0) impl.tokens.add(record.control_token, entry(unit));
        if (record.check_token != 0) impl.tokens.add(record.check_token, entry(unit));
    }
    sides_ = to.sides;
    open_ = to.open;
}

/// What decides about the future, without names of tokens and jobs, texts and clocks.
std::string Explorer::canonical(bool with_jobs) const {
    std::string key;
    const auto put = [&](auto value) { key.push_back(static_cast<char>(value)); };
    for (std::size_t unit = 0; unit < entries_.size(); ++unit) {
        const Life& life = entry(unit).life;
        const Vitals& record = life.record;
        put(record.state);
        put(record.phase);
        put(record.after);
        put(record.want);
        put(record.ready | record.main_alive << 1 | record.failing << 2 | record.succeeded << 3 |
            (record.main_pid != 0) << 4 | (record.control_token != 0) << 5 |
            record.told_ready << 6 | (record.adopted_token != 0) << 7);
        put(record.told_stopping | record.listening << 1 | record.sockets << 2);
        put(record.control_token != 0 ? static_cast<int>(record.control_purpose) : 0);
        put(record.control_token != 0 ? record.control_index : 0);
        put(static_cast<int>(record.health) | record.check_late << 2 |
            (record.check_token != 0) << 3 | (record.bad_checks & 0xfU) << 4);
        put(record.skipped);
        put(record.recent_starts);
        put(fell_with_another(entry(unit)));
        const Side& side = sides_[unit];
        put(side.main);
        put(side.control);
        put(side.tearing | side.torn << 1 | side.late << 2 | side.said_ready << 3 |
            side.finding << 4 | side.adopted << 5 | side.open << 6 | side.awaited << 7);
        put((side.listen_token != 0) | side.closing << 1 | static_cast<int>(side.check) << 2 |
            side.check_killed << 4 | side.was_well << 5 | (side.condition_token != 0) << 6 |
            side.met << 7);
        put(side.timers & ~bit(TimerKind::kStable));  // which only forgives
        if (!with_jobs) continue;
        for (const Request what : {Request::kStart, Request::kStop, Request::kRestart}) {
            put(std::ranges::count(life.jobs, what, &Job::what));
        }
        put(life.reloads.size());
        put(life.next_reloads.size());
    }
    return key;
}

/// The world answers one thing, always to the good.
bool Explorer::answer_something() {
    for (std::size_t unit = 0; unit < units_.size(); ++unit) {
        std::vector<Move> answers;
        add_control(answers, unit);
        add_told(answers, unit);
        add_checks(answers, unit);
        add_main(answers, unit);
        add_conditions(answers, unit);
        add_sockets(answers, unit);
        const bool runs = is_up(entry(unit)) && entry(unit).record().state != State::kReloading &&
                          sides_[unit].control == Process::kNone;
        if (runs) answers.clear();
        add_rest(answers, unit);
        static constexpr std::string_view kGood[] = {
            "started", "command ends well", "exit 1", "torn down",  "delay over",     "ready",
            "found",   "listens",           "closed", "good check", "conditions hold"};
        const auto good = std::ranges::find_if(answers, [](const Move& move) {
            return std::ranges::find(kGood, std::string_view(move.name)) != std::end(kGood);
        });
        if (good == answers.end()) continue;
        const bool ends = units_[unit].service.type == config::ServiceType::kOneshot ||
                          (is_forking(units_[unit]) && !sides_[unit].adopted);
        const bool works = ends && entry(unit).record().state == State::kStarting;
        if (works && good->name == std::string_view("exit 1")) {
            main_ends(unit, {.code = 0});
        } else {
            good->act(*this, unit);
        }
        return true;
    }
    return false;
}

void Explorer::check_settles() {
    const Snapshot here = save();
    std::size_t answers = 0;
    while (answers < kMaxAnswers && answer_something()) ++answers;
    expect(answers < kMaxAnswers, "never comes to rest");
    expect(open_.empty(), "a request never settles");
    jump(here);
}

Exploration Explorer::run(std::size_t max_states) {
    Exploration result;
    std::vector<Snapshot> states{save()};
    std::unordered_set<std::string> seen{canonical(true)};
    const auto stop_at = [&](std::size_t at, const std::string& event) {
        result.violation = violation_;
        result.path = {event};
        for (; at != 0; at = states[at].parent) result.path.push_back(tell(states[at].event));
        std::ranges::reverse(result.path);
    };
    for (std::size_t head = 0; head < states.size(); ++head) {
        jump(states[head]);
        if (head % alphabet_.settle_every == 0) check_settles();
        if (head % alphabet_.restore_every == 0) {
            check_restore();
            ++result.restored;
        }
        if (!violation_.empty()) {
            stop_at(head, "(here)");
            break;
        }
        std::vector<State> before;
        for (const Entry* unit : entries_) before.push_back(unit->record().state);
        for (const Move& move : moves()) {
            move.act(*this, move.unit);
            ++result.transitions;
            check(before, move.name);
            if (!violation_.empty()) {
                stop_at(head, tell(move));
                result.states = states.size();
                return result;
            }
            if (seen.insert(canonical(true)).second) {
                if (states.size() >= max_states) {
                    result.complete = false;
                } else {
                    states.push_back(save());
                    states.back().parent = head;
                    states.back().event = move;
                }
            }
            jump(states[head]);
        }
        // Only the way here is still of use.
        states[head].lives.clear();
        states[head].lives.shrink_to_fit();
        states[head].sides.clear();
        states[head].sides.shrink_to_fit();
    }
    result.states = states.size();
    return result;
}

}  // namespace jailsvc::service
