#include "jailer/loop/unit_cache.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace jailsvc::jailer {
namespace {

/// Workers at the same time; each is a fork of the jailer.
constexpr std::ptrdiff_t kMaxWorkers = 4;
constexpr std::size_t kMaxErrorsShown = 4;

Error to_error(const std::string& name, const config::Diagnostics& diagnostics) {
    std::string text = fmt::format("{}: the unit does not load", name);
    for (std::size_t i = 0; i < std::min(diagnostics.size(), kMaxErrorsShown); ++i) {
        config::Diagnostic one = diagnostics[i];
        one.source.clear();
        text += "; " + config::to_string(one);
    }
    if (diagnostics.size() > kMaxErrorsShown) {
        text += fmt::format("; and {} more", diagnostics.size() - kMaxErrorsShown);
    }
    return Error{std::move(text), EINVAL};
}

}  // namespace

void add_core_operations(Plan& plan, std::uint64_t soft_files, std::uint64_t hard_files) {
    const auto is_file_limit = [](const Op& op) {
        return op.kind == JSV_OP_RLIMIT && op.number[0] == RLIMIT_NOFILE;
    };
    if (std::ranges::any_of(plan.ops, is_file_limit)) return;
    Op op;
    op.kind = JSV_OP_RLIMIT;
    op.stage = JSV_STAGE_PROCESS;
    op.number = {RLIMIT_NOFILE, soft_files, hard_files};
    op.plugin = "core";
    const auto later = [](const Op& other) { return other.stage >= JSV_STAGE_PROCESS; };
    plan.ops.insert(std::ranges::find_if(plan.ops, later), std::move(op));
}

/// One plan in the making, and who waits for it.
struct UnitCache::Making {
    explicit Making(struct ev_loop* loop) : readable(loop), limit(loop) {}
    std::string name;
    Digest digest{};
    config::JailPlaces places;  ///< moved on to the job
    config::Unit unit;          ///< moved on once the plan is there
    bool keep = false;          ///< for later starts too
    bool begun = false;         ///< has its worker
    std::vector<Done> waiters;
    std::optional<PlanJob> job;
    IoWatch readable;
    TimerWatch limit;
};

UnitCache::UnitCache(struct ev_loop* loop, PluginHost& plugins, config::Sources sources)
    : loop_(loop), plugins_(plugins), sources_(std::move(sources)) {}
UnitCache::~UnitCache() = default;

void UnitCache::set_file_limits(std::uint64_t soft, std::uint64_t hard) {
    soft_files_ = soft;
    hard_files_ = hard;
}

void UnitCache::get(const std::string& name, const Digest& digest, Done done) {
    const auto hit = loaded_.find(name);
    if (hit != loaded_.end() && hit->second->unit.digest == digest) return done(hit->second);
    config::JailPlaces places;
    auto unit = config::load_unit(sources_, plugins_.schema(), name, &places);
    if (!unit) return done(std::unexpected(to_error(name, unit.error())));
    if (unit->digest != digest) {
        return done(fail(
            fmt::format("{}: unit file changed: run jailsvc daemon-reload first", name), ESTALE));
    }
    make(std::move(*unit), std::move(places), true, std::move(done));
}

void UnitCache::get_current(const std::string& name, Done done) {
    config::JailPlaces places;
    auto unit = config::load_unit(sources_, plugins_.schema(), name, &places);
    if (!unit) return done(std::unexpected(to_error(name, unit.error())));
    const auto hit = loaded_.find(name);
    if (hit != loaded_.end() && hit->second->unit.digest == unit->digest) return done(hit->second);
    make(std::move(*unit), std::move(places), false, std::move(done));
}

void UnitCache::get_from_text(const std::string& name, std::string_view text, Done done) {
    auto unit = config::parse_effective(plugins_.schema(), name, text);
    if (!unit) return done(std::unexpected(to_error(name, unit.error())));
    make(std::move(*unit), {}, false, std::move(done));
}

void UnitCache::make(config::Unit unit, config::JailPlaces places, bool keep, Done done) {
    const auto same = std::ranges::find_if(making_, [&](const auto& other) {
        return other->name == unit.name && other->digest == unit.digest;
    });
    if (same != making_.end()) {
        (*same)->keep |= keep;
        (*same)->waiters.push_back(std::move(done));
        return;
    }
    auto making = std::make_shared<Making>(loop_);
    making->name = unit.name;
    making->digest = unit.digest;
    making->unit = std::move(unit);
    making->places = std::move(places);
    making->keep = keep;
    making->waiters.push_back(std::move(done));
    making_.push_back(std::move(making));
    run_next();
}

void UnitCache::run_next() {
    const auto working = std::ranges::count_if(making_, [](const auto& m) { return m->begun; });
    if (working >= kMaxWorkers) return;
    const auto next = std::ranges::find_if(making_, [](const auto& m) { return !m->begun; });
    if (next == making_.end()) return;
    (*next)->begun = true;
    begin(std::shared_ptr(*next));
}

void UnitCache::begin(const std::shared_ptr<Making>& making) {
    auto job = plugins_.begin_plan(making->unit, std::move(making->places));
    if (!job) return settle(making, std::unexpected(std::move(job).error()));
    making->job.emplace(std::move(*job));
    const std::weak_ptr<Making> weak = making;
    const auto proceed = [this, weak] {
        if (const auto self = weak.lock()) finish(self);
    };
    making->readable.start(making->job->fd(), EV_READ, proceed);
    making->limit.start(std::chrono::duration<double>(kPlanTimeout).count(), proceed);
}

void UnitCache::finish(const std::shared_ptr<Making>& making) {
    making->readable.stop();
    making->limit.stop();
    auto plan = plugins_.finish_plan(std::move(*making->job));
    making->job.reset();
    if (!plan) return settle(making, std::unexpected(std::move(plan).error()));
    add_core_operations(*plan, soft_files_, hard_files_);
    auto compiled = CompiledPlan::make(std::move(*plan));
    if (!compiled) return settle(making, std::unexpected(std::move(compiled).error()));
    settle(making, std::make_shared<LoadedUnit>(
                       LoadedUnit{std::move(making->unit), std::move(*compiled), false}));
}

void UnitCache::settle(const std::shared_ptr<Making>& making, Result<LoadedPtr> result) {
    std::erase(making_, making);
    if (result && making->keep) loaded_.insert_or_assign((*result)->unit.name, *result);
    for (const auto& done : std::exchange(making->waiters, {})) done(result);
    run_next();
    if (!busy() && idle_hook_) idle_hook_();
}

}  // namespace jailsvc::jailer
