#include "jailer/loop/unit_cache.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
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

/// What the making of a plan takes: the unit, a worker.
struct UnitCache::Work {
    explicit Work(struct ev_loop* loop) : readable(loop), limit(loop) {}
    config::Unit unit;
    config::JailPlaces places;  ///< moved on to the job
    std::optional<PlanJob> job;
    IoWatch readable;
    TimerWatch limit;
};

/// One plan in the making, and who waits for it. A thousand may wait, between them what stays of
/// those that are done: so what comes later is apart, and leaves no holes there.
struct UnitCache::Making {
    std::string name;
    Digest digest{};
    bool keep = false;   ///< for later starts too
    bool begun = false;  ///< has its worker
    std::vector<Done> waiters;
    std::unique_ptr<Work> work;  ///< not yet, if the unit is one of the files'
};

UnitCache::UnitCache(struct ev_loop* loop, PluginHost& plugins, config::Sources sources)
    : loop_(loop), plugins_(plugins), sources_(std::move(sources)) {}
UnitCache::~UnitCache() = default;

void UnitCache::set_file_limits(std::uint64_t soft, std::uint64_t hard) {
    soft_files_ = soft;
    hard_files_ = hard;
}

void UnitCache::get(const std::string& name, const Digest& digest, Done done) {
    if (auto hit = fresh(name, digest)) return done(std::move(hit));
    make(name, digest, std::move(done)).keep = true;
    run_next();
}

void UnitCache::get_current(const std::string& name, Done done) {
    config::JailPlaces places;
    auto unit = config::load_unit(sources_, plugins_.schema(), name, &places);
    if (!unit) return done(std::unexpected(to_error(name, unit.error())));
    if (auto hit = fresh(name, unit->digest)) return done(std::move(hit));
    Making& making = make(name, unit->digest, std::move(done));
    if (!making.begun) {
        making.work = std::make_unique<Work>(loop_);
        making.work->unit = std::move(*unit);
        making.work->places = std::move(places);
    }
    run_next();
}

void UnitCache::get_from_text(const std::string& name, std::string_view text, Done done) {
    auto unit = config::parse_effective(plugins_.schema(), name, text);
    if (!unit) return done(std::unexpected(to_error(name, unit.error())));
    Making& making = make(name, unit->digest, std::move(done));
    if (!making.begun) {
        making.work = std::make_unique<Work>(loop_);
        making.work->unit = std::move(*unit);
    }
    run_next();
}

void UnitCache::remember(const LoadedPtr& unit) {
    if (known(unit->plan.unit(), unit->plan.digest()) != nullptr) return;
    loaded_.insert_or_assign(unit->plan.unit(), Known{.unit = unit, .old = true});
}

void UnitCache::replace(const LoadedPtr& unit) {
    const std::string& name = unit->plan.unit();
    if (const auto before = loaded_.find(name); before != loaded_.end()) {
        replaced_.insert_or_assign(name, Known{.unit = before->second.unit, .old = true});
    }
    loaded_.insert_or_assign(name, Known{.unit = unit});
}

void UnitCache::forget(const std::string& name) {
    loaded_.erase(name);
    replaced_.erase(name);
}

void UnitCache::invalidate() {
    for (auto& [name, known] : loaded_) known.old = true;
}

const UnitCache::Known* UnitCache::known(const std::string& name, const Digest& digest) const {
    for (const auto* units : {&loaded_, &replaced_}) {
        const auto found = units->find(name);
        const bool same = found != units->end() && found->second.unit->plan.digest() == digest;
        if (same) return &found->second;
    }
    return nullptr;
}

LoadedPtr UnitCache::fresh(const std::string& name, const Digest& digest) const {
    const Known* found = known(name, digest);
    return found != nullptr && !found->old ? found->unit : nullptr;
}

/// The one of that version; `done` is among those who wait for it.
UnitCache::Making& UnitCache::make(const std::string& name, const Digest& digest, Done done) {
    auto same = std::ranges::find_if(
        making_, [&](const auto& other) { return other->name == name && other->digest == digest; });
    if (same == making_.end()) {
        auto making = std::make_shared<Making>();
        making->name = name;
        making->digest = digest;
        same = making_.insert(making_.end(), std::move(making));
    }
    (*same)->waiters.push_back(std::move(done));
    return **same;
}

/// A loop, because what begins may settle at once.
void UnitCache::run_next() {
    if (advancing_) return;
    advancing_ = true;
    while (const auto next = next_to_begin()) {
        next->begun = true;
        begin(next);
    }
    advancing_ = false;
}

std::shared_ptr<UnitCache::Making> UnitCache::next_to_begin() {
    const auto working = std::ranges::count_if(making_, [](const auto& m) { return m->begun; });
    if (working >= kMaxWorkers) return nullptr;
    const auto next = std::ranges::find_if(making_, [](const auto& m) { return !m->begun; });
    return next == making_.end() ? nullptr : *next;
}

Result<void> UnitCache::read_files(Making& making) {
    auto work = std::make_unique<Work>(loop_);
    auto unit = config::load_unit(sources_, plugins_.schema(), making.name, &work->places);
    if (!unit) return std::unexpected(to_error(making.name, unit.error()));
    if (unit->digest != making.digest) {
        return fail(
            fmt::format("{}: unit file changed: run jailsvc daemon-reload first", making.name),
            ESTALE);
    }
    work->unit = std::move(*unit);
    making.work = std::move(work);
    return {};
}

void UnitCache::begin(const std::shared_ptr<Making>& making) {
    if (making->work == nullptr) {
        if (auto read = read_files(*making); !read) {
            return settle_without_files(making, std::move(read).error());
        }
    }
    Work& work = *making->work;
    auto job = plugins_.begin_plan(work.unit, std::move(work.places));
    if (!job) return settle(making, std::unexpected(std::move(job).error()));
    work.job.emplace(std::move(*job));
    const std::weak_ptr<Making> weak = making;
    const auto proceed = [this, weak] {
        if (const auto self = weak.lock()) finish(self);
    };
    work.readable.start(work.job->fd(), EV_READ, proceed);
    work.limit.start(std::chrono::duration<double>(kPlanTimeout).count(), proceed);
}

/// The text was root's when it was loaded or kept, and the digest says that it is still that one.
/// A plan of before may have been made of it while a plugin was lacking: then it is not enough.
void UnitCache::settle_without_files(const std::shared_ptr<Making>& making, Error error) {
    const Known* before = known(making->name, making->digest);
    if (before == nullptr || plugins_.lacks_shipped()) {
        return settle(making, std::unexpected(std::move(error)));
    }
    spdlog::warn("{}; it is started as it was before", error.message);
    making->keep = false;  // known already, and the files still come first
    settle(making, before->unit);
}

void UnitCache::finish(const std::shared_ptr<Making>& making) {
    const std::unique_ptr<Work> work = std::move(making->work);
    work->readable.stop();
    work->limit.stop();
    auto plan = plugins_.finish_plan(std::move(*work->job));
    work->job.reset();
    if (!plan) return settle(making, std::unexpected(std::move(plan).error()));
    add_core_operations(*plan, soft_files_, hard_files_);
    auto compiled = CompiledPlan::make(std::move(*plan));
    if (!compiled) return settle(making, std::unexpected(std::move(compiled).error()));
    config::Unit& unit = work->unit;
    const config::ServiceType type = unit.service.type;
    PlannedUnit planned{.text = std::move(unit.text),
                        .service = std::move(unit.service),
                        .logging = unit.logging,
                        .socket = unit.socket,
                        .job = unit.job,
                        .readiness = unit.readiness,
                        .health = unit.health,
                        .condition = unit.condition,
                        .assertion = unit.assertion,
                        .type = type};
    settle(making, std::make_shared<LoadedUnit>(
                       LoadedUnit{std::move(planned), std::move(*compiled), false}));
}

void UnitCache::settle(const std::shared_ptr<Making>& making, Result<LoadedPtr> result) {
    std::erase(making_, making);
    if (result && making->keep) {
        loaded_.insert_or_assign((*result)->plan.unit(), Known{.unit = *result});
    }
    for (const auto& done : std::exchange(making->waiters, {})) done(result);
    run_next();
    if (busy()) return;
    ::malloc_trim(0);  // reading and planning took far more for a moment than what is kept
    if (idle_hook_) idle_hook_();
}

}  // namespace jailsvc::jailer
