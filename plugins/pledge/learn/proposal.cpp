#include "proposal.hpp"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "promises.hpp"

namespace pledge::learn {
namespace {

using Counts = std::map<std::string, std::uint64_t>;

constexpr std::size_t kShownCalls = 6;

/// "openat 41, newfstatat 12, …": the most frequent first.
std::string listed(const Counts& counts) {
    std::vector<std::pair<std::string, std::uint64_t>> rows(counts.begin(), counts.end());
    std::ranges::stable_sort(rows, std::ranges::greater{},
                             &std::pair<std::string, std::uint64_t>::second);
    std::string text;
    for (std::size_t i = 0; i < rows.size() && i < kShownCalls; ++i) {
        text += (i == 0 ? "" : ", ") + rows[i].first + " " + std::to_string(rows[i].second);
    }
    return text + (rows.size() > kShownCalls ? ", …" : "");
}

struct Reasons {
    std::map<Promise, Counts> of;
    Counts without;  ///< calls that no promise permits
};

Reasons reasons_for(const Record& record, Promises promises) {
    Reasons reasons;
    for (const auto& [call, count] : record.calls) {
        const auto way = permitted_by(call, promises);
        if (!way) {
            reasons.without[call.name] += count;
            continue;
        }
        for (const Name& name : names()) {
            if ((way->needed & name.promise) != 0) reasons.of[name.promise][call.name] += count;
        }
    }
    return reasons;
}

std::string propose_promises(const Record& record) {
    const Promises promises = smallest_set(record);
    const Reasons reasons = reasons_for(record, promises);
    std::string text = "[jail.pledge]\n";
    for (const Name& name : names()) {
        if ((promises & name.promise) == 0) continue;
        const auto found = reasons.of.find(name.promise);
        text += "# " + std::string(name.name) + ": " +
                (found == reasons.of.end() ? "always needed" : listed(found->second)) + "\n";
    }
    if (!reasons.without.empty()) {
        text += "# No promise permits these, they will fail: " + listed(reasons.without) + "\n";
    }
    return text + "promises = \"" + words_of(promises) + "\"\n";
}

}  // namespace

std::string propose(const std::string& unit, const Record& record) {
    std::string text = "# What \"" + unit + "\" was seen to use in " + std::to_string(record.runs) +
                       (record.runs == 1 ? " run" : " runs") +
                       " of its programs. It saw no more than it did then:\n"
                       "# what it does once a year, or when it fails, is not in it. Read it "
                       "before you paste it.\n";
    if (record.lost > 0) {
        text += "# " + std::to_string(record.lost) + " observations did not fit into the record.\n";
    }
    text += "\n" + propose_promises(record);
    const std::string paths = propose_paths(record);
    if (!paths.empty()) text += "\n[jail.unveil]\n" + paths;
    return text;
}

}  // namespace pledge::learn
