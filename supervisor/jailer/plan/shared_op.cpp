#include "jailer/plan/shared_op.hpp"

#include <functional>
#include <string_view>
#include <utility>

namespace jailsvc::jailer {
namespace {

class Mixer {
public:
    void add(std::size_t value) noexcept { hash_ = hash_ * 0x9e3779b97f4a7c15U + value; }
    void add(std::string_view text) noexcept { add(std::hash<std::string_view>{}(text)); }
    [[nodiscard]] std::size_t hash() const noexcept { return hash_; }

private:
    std::size_t hash_ = 0;
};

constexpr std::ptrdiff_t kLongestRun = 8;

bool in_one_run(const Op& first, const Op& second) {
    return first.stage == second.stage && first.plugin == second.plugin;
}

}  // namespace

std::size_t OpHash::operator()(const Op& op) const noexcept {
    Mixer mixer;
    mixer.add((static_cast<std::size_t>(op.kind) << 32) ^ op.flags);
    for (const std::uint64_t number : op.number) mixer.add(number);
    for (const std::string& text : op.text) mixer.add(text);
    mixer.add(op.blob);
    mixer.add(op.plugin);
    return mixer.hash();
}

std::size_t OpRunHash::operator()(const List<SharedOp>& ops) const noexcept {
    Mixer mixer;
    for (const SharedOp& op : ops) mixer.add(std::hash<const Op*>{}(&*op));
    return mixer.hash();
}

List<OpRun> to_runs(std::vector<Op> ops) {
    std::vector<OpRun> runs;
    for (auto at = ops.begin(); at != ops.end();) {
        auto end = at;
        while (end != ops.end() && end - at < kLongestRun && in_one_run(*at, *end)) ++end;
        std::vector<SharedOp> run;
        for (; at != end; ++at) run.emplace_back(std::move(*at));
        runs.emplace_back(List(std::move(run)));
    }
    return runs;
}

}  // namespace jailsvc::jailer
