#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/list.hpp"
#include "base/rarely.hpp"
#include "config/unit.hpp"
#include "service/manager.hpp"
#include "service/policy.hpp"
#include "service/record.hpp"

namespace jailsvc::service {

struct Job {
    JobId id = 0;
    Request what = Request::kStart;
};

/// What people may want to know of a unit's health checks; gone with the engine.
struct HealthNotes {
    std::string reason;            ///< of the last bad check
    std::uint64_t changed_ns = 0;  ///< when it became what it is
    std::uint64_t checked_ns = 0;  ///< when the last check ended
};

/// Everything about a unit that an event may change; copying it is a snapshot.
struct Life {
    Vitals record{};
    Rarely<std::string> because;  ///< uncut text of Record::because
    Rarely<HealthNotes> health;
    List<Job> jobs;                               ///< starts, restarts, stops: all one direction
    List<JobId> reloads;                          ///< of the reload that runs
    List<JobId> next_reloads;                     ///< came since, or wait for the start
    std::shared_ptr<const config::Unit> started;  ///< as it was when started; null at first
};

/// One unit with its neighbours. Addresses are stable while the unit is loaded. There may be
/// thousands: what few units have takes no room in the others.
struct Entry {
    std::shared_ptr<const config::Unit> loaded;  ///< what the next start uses
    bool removed = false;                        ///< its file is gone; kept until it is down
    bool dropped = false;                        ///< it goes now
    bool unreadable = false;                     ///< its file has errors; `loaded` is from before
    Rarely<std::string> broken;                  ///< see graph::Graph::Node
    List<Entry*> needs, wants, after;
    List<Entry*> needed_by, bound_by, before, parts;
    List<Entry*> conflicts;  ///< both directions
    Life life;

    Entry* next_queued = nullptr;  ///< intrusive queue of what has to be looked at
    bool queued = false;
    bool touched = false;           ///< its record has changed since the observer was told
    State told = State::kInactive;  ///< the state the observer was told last
    std::uint64_t mark = 0;         ///< transaction that has visited it

    [[nodiscard]] const std::string& name() const { return loaded->name; }
    [[nodiscard]] Vitals& record() { return life.record; }
    [[nodiscard]] const Vitals& record() const { return life.record; }
    /// The unit as it runs; before its first start, as it will.
    [[nodiscard]] const config::Unit& unit() const {
        return life.started != nullptr ? *life.started : *loaded;
    }
};

/// All entries, in the order of their names.
class Entries {
public:
    [[nodiscard]] Entry* find(std::string_view name) const {
        const auto at = place_of(name);
        return at != entries_.end() && (*at)->name() == name ? at->get() : nullptr;
    }
    /// `entry` has its `loaded`, and a name that is not known yet.
    Entry& add(std::unique_ptr<Entry> entry) {
        return **entries_.insert(place_of(entry->name()), std::move(entry));
    }
    void erase_dropped() {
        std::erase_if(entries_, [](const auto& entry) { return entry->dropped; });
    }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] auto begin() const { return entries_.begin(); }
    [[nodiscard]] auto end() const { return entries_.end(); }

private:
    using Sorted = std::vector<std::unique_ptr<Entry>>;
    [[nodiscard]] Sorted::const_iterator place_of(std::string_view name) const {
        return std::ranges::lower_bound(entries_, name, {}, &Entry::name);
    }
    Sorted entries_;
};

/// Whose process a token names. Tokens only grow, so that a new one nearly always comes last.
class Tokens {
public:
    [[nodiscard]] Entry* find(Token token) const {
        const auto at = place_of(token);
        return at != known_.end() && at->token == token ? at->entry : nullptr;
    }
    void add(Token token, Entry& entry) {
        if (find(token) == nullptr) known_.insert(place_of(token), {token, &entry});
    }
    void erase(Token token) {
        if (find(token) != nullptr) known_.erase(place_of(token));
    }
    void clear() { known_.clear(); }

private:
    struct Known {
        Token token;
        Entry* entry;
    };
    [[nodiscard]] std::vector<Known>::const_iterator place_of(Token token) const {
        return std::ranges::lower_bound(known_, token, {}, &Known::token);
    }
    std::vector<Known> known_;
};

/// First in, first out; an entry is in it at most once. Holds no memory of its own.
class EntryQueue {
public:
    void push(Entry& entry) {
        if (entry.queued) return;
        entry.queued = true;
        entry.next_queued = nullptr;
        (last_ != nullptr ? last_->next_queued : first_) = &entry;
        last_ = &entry;
    }
    [[nodiscard]] Entry* pop() {
        Entry* entry = first_;
        if (entry == nullptr) return nullptr;
        first_ = entry->next_queued;
        if (first_ == nullptr) last_ = nullptr;
        entry->queued = false;
        return entry;
    }

private:
    Entry* first_ = nullptr;
    Entry* last_ = nullptr;
};

}  // namespace jailsvc::service
