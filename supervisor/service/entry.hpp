#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/unit.hpp"
#include "service/manager.hpp"
#include "service/policy.hpp"
#include "service/record.hpp"

namespace jailsvc::service {

struct Job {
    JobId id = 0;
    Request what = Request::kStart;
};

/// Everything about a unit that an event may change; copying it is a snapshot.
struct Life {
    Vitals record{};
    std::string because;                          ///< uncut text of Record::because
    std::vector<Job> jobs;                        ///< starts, restarts, stops: all one direction
    std::vector<JobId> reloads;                   ///< of the reload that runs
    std::vector<JobId> next_reloads;              ///< came since, or wait for the start
    std::shared_ptr<const config::Unit> started;  ///< as it was when started; null at first
};

/// One unit with its neighbours. Addresses are stable while the unit is loaded.
struct Entry {
    std::shared_ptr<const config::Unit> loaded;  ///< what the next start uses
    bool removed = false;                        ///< its file is gone; kept until it is down
    bool unreadable = false;                     ///< its file has errors; `loaded` is from before
    std::string broken;                          ///< see graph::Graph::Node
    std::vector<Entry*> needs, wants, after;
    std::vector<Entry*> needed_by, before, parts;
    std::vector<Entry*> conflicts;  ///< both directions
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
