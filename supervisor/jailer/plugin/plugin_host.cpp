#include "jailer/plugin/plugin_host.hpp"

#include <dirent.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/sys.hpp"
#include "config/jail_view.hpp"
#include "jailer/plan/plan_check.hpp"
#include "jailer/plugin/plan_worker.hpp"
#include "jailer/plugin/plugin_load.hpp"
#include "jailer/plugin/refusal.hpp"
#include "jailer/plugin/trusted_file.hpp"
#include "jailer/plugin/worker_process.hpp"

namespace jailsvc::jailer {
namespace {

constexpr unsigned kQuarantineCrashes = 3;
constexpr std::size_t kMaxPlugins = 128;
constexpr std::string_view kSuffix = ".so";
constexpr std::size_t kMaxTables = 64;    ///< as many as a schema may have
constexpr std::size_t kMaxWhy = 400;      ///< of a refusal, in what a schema holds [bytes]
constexpr std::size_t kMaxStats = 16384;  ///< of one plugin [bytes]

/// Files of the directory that are meant as plugins, sorted by name.
Result<std::vector<std::string>> list_libraries(int dir, const std::string& path) {
    TRY(Fd copy, sys::duplicate(dir));
    DIR* stream = ::fdopendir(copy.get());
    if (stream == nullptr) return fail_errno(path);
    static_cast<void>(copy.release());  // closedir closes it
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        if (name.ends_with(kSuffix) && !name.starts_with('.')) names.emplace_back(name);
    }
    ::closedir(stream);
    std::ranges::sort(names);
    return names;
}

}  // namespace

struct PlanJob::Impl {
    std::string unit;
    Digest digest{};
    std::string file;  ///< the unit's own, for errors
    config::JailPlaces places;
    SharedReport report;
    WorkerProcess worker;
};

PlanJob::PlanJob(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PlanJob::PlanJob(PlanJob&&) noexcept = default;
PlanJob& PlanJob::operator=(PlanJob&&) noexcept = default;
PlanJob::~PlanJob() = default;
int PlanJob::fd() const {
    return impl_->worker.pidfd();
}

struct PluginHost::Impl {
    Places places;
    std::vector<LoadedPlugin> plugins;
    std::vector<unsigned> crashes;  ///< in a row, per plugin
    std::vector<std::string> refusals;
    config::Schema schema;
    Result<PlanSandbox> sandbox = PlanSandbox::make();

    std::vector<config::Table> absent;

    void load_directory(const std::string& path);
    Result<void> add(Result<LoadedPlugin> loaded);
    void refuse_directory(const std::string& why);
    void note_refused(const std::string& name, const std::string& why);
    void note_absent(const std::string& name, const std::string& sentence);
    void note_missing(const std::string& path);
    Result<void> check_quarantine(const config::Unit& unit) const;
    Result<Plan> read_plan(const PlanJob::Impl& job) const;
    Result<Plan> read_answer(PlanJob::Impl& work);
    static config::Diagnostics read_refusals(PlanJob::Impl& work);
    Error blame(const SharedReport& report, const std::string& what);
    Error judge(const SharedReport& report, const ProcessEnd& end);
    void forget_crashes();
    template <typename Call>
    Result<void> call_each(std::string_view hook, Call call) const;
};

void PluginHost::Impl::load_directory(const std::string& path) {
    const auto dir = open_trusted_directory(path);
    if (!dir) {
        return refuse_directory(dir.error().message + ": no plugin is loaded from there");
    }
    const auto files = list_libraries(dir->get(), path);
    if (!files) {
        return refuse_directory(files.error().message);
    }
    std::map<std::string, std::string> refused;
    for (const std::string& file : *files) {
        auto added = plugins.size() < kMaxPlugins
                         ? add(load_plugin(dir->get(), path, file))
                         : Result<void>(fail(fmt::format("{}/{}: more than {} plugins", path, file,
                                                         kMaxPlugins)));
        if (added) continue;
        refusals.push_back(std::move(added).error().message);
        refused.emplace(file.substr(0, file.size() - kSuffix.size()), refusals.back());
    }
    std::ranges::sort(plugins, {}, &LoadedPlugin::name);
    // One may have been loaded from a file of another name.
    for (const auto& [name, why] : refused) note_refused(name, why);
    note_missing(path);
}

/// Nothing is loaded: of what every installation has, all is lacking.
void PluginHost::Impl::refuse_directory(const std::string& why) {
    refusals.push_back(why);
    for (const std::string_view name : config::kShippedPlugins) {
        note_refused(std::string(name), why);
    }
}

void PluginHost::Impl::note_refused(const std::string& name, const std::string& why) {
    // As a schema may hold it: short, and plain ASCII.
    std::string shown = why.substr(0, kMaxWhy);
    std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
    note_absent(name,
                fmt::format("plugin {} was refused: {}; mend it (reinstall jailsvc)", name, shown));
}

/// Leaves out names that can be no plugin's, and those that are loaded from another file.
void PluginHost::Impl::note_absent(const std::string& name, const std::string& sentence) {
    const bool at_top = name == "credentials";
    const std::string table = at_top ? name : "jail." + name;
    const auto is_it = [&](const LoadedPlugin& plugin) {
        return plugin.name == name || plugin.table.name == table;
    };
    if (!config::is_plugin_table(table) || std::ranges::any_of(plugins, is_it)) return;
    // Room is kept for what every jail needs.
    const std::size_t room = kMaxTables - config::kShippedPlugins.size();
    if (!config::is_shipped_plugin(name) && plugins.size() + absent.size() >= room) return;
    absent.push_back({.name = table, .plugin = name, .refusal = sentence});
}

/// Of the shipped set, in a directory that has its first part; others hold what they are made for.
void PluginHost::Impl::note_missing(const std::string& path) {
    const auto there = [&](std::string_view name) {
        return std::ranges::find(plugins, name, &LoadedPlugin::name) != plugins.end() ||
               std::ranges::find(absent, name, &config::Table::plugin) != absent.end();
    };
    if (!there("chroot")) return;
    for (const std::string_view name : config::kShippedPlugins) {
        if (there(name)) continue;
        refusals.push_back(fmt::format("{}/{}.so: is not there; reinstall jailsvc", path, name));
        note_absent(std::string(name),
                    fmt::format("plugin {} is missing from {}; reinstall jailsvc", name,
                                path.substr(0, kMaxWhy)));
    }
}

Result<void> PluginHost::Impl::add(Result<LoadedPlugin> loaded) {
    if (!loaded) return std::unexpected(std::move(loaded).error());
    const auto same = std::ranges::find(plugins, loaded->name, &LoadedPlugin::name);
    if (same != plugins.end()) {
        return fail(fmt::format("{}: a plugin named {} is loaded already from {}; remove one",
                                loaded->path, loaded->name, same->path));
    }
    const auto table = std::ranges::find(plugins, loaded->table.name,
                                         [](const LoadedPlugin& p) { return p.table.name; });
    if (table != plugins.end()) {
        return fail(fmt::format("{}: its table [{}] is that of {} already; remove one",
                                loaded->path, loaded->table.name, table->path));
    }
    plugins.push_back(std::move(*loaded));
    return {};
}

PluginHost PluginHost::load(const Places& places) {
    auto impl = std::make_unique<Impl>();
    impl->places = places;
    impl->load_directory(places.plugins);
    impl->crashes.resize(impl->plugins.size());
    impl->schema = config::core_schema();
    for (const LoadedPlugin& plugin : impl->plugins) impl->schema.tables.push_back(plugin.table);
    for (const config::Table& table : impl->absent) impl->schema.tables.push_back(table);
    return PluginHost(std::move(impl));
}

PluginHost::PluginHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PluginHost::PluginHost(PluginHost&&) noexcept = default;
PluginHost& PluginHost::operator=(PluginHost&&) noexcept = default;
PluginHost::~PluginHost() = default;

const std::vector<std::string>& PluginHost::refusals() const {
    return impl_->refusals;
}
const std::vector<config::Table>& PluginHost::absent() const {
    return impl_->absent;
}
bool PluginHost::lacks_shipped() const {
    return std::ranges::any_of(impl_->absent, config::is_shipped_plugin, &config::Table::plugin);
}
const config::Schema& PluginHost::schema() const {
    return impl_->schema;
}

std::vector<config::Table> PluginHost::tables() const {
    std::vector<config::Table> tables;
    for (const LoadedPlugin& plugin : impl_->plugins) tables.push_back(plugin.table);
    return tables;
}

/// A unit that does not use the plugin's table still has it called, in the worker as ever: left
/// out, it might leave out a protection.
Result<void> PluginHost::Impl::check_quarantine(const config::Unit& unit) const {
    for (std::size_t i = 0; i < plugins.size(); ++i) {
        if (crashes[i] < kQuarantineCrashes) continue;
        TRY(const config::JailView view, config::JailView::open(unit, plugins[i].table.name));
        if (!view.present()) continue;
        return fail(
            fmt::format("{}: in quarantine after {} crashes in a row; replace {} and restart "
                        "the jailer, or take [{}] out of the unit",
                        plugins[i].name, crashes[i], plugins[i].path, plugins[i].table.name));
    }
    return {};
}

Result<PlanJob> PluginHost::begin_plan(const config::Unit& unit, config::JailPlaces places) {
    if (!impl_->sandbox) return std::unexpected(impl_->sandbox.error());
    TRY_VOID(impl_->check_quarantine(unit));
    TRY(SharedReport report, SharedReport::make(kMaxPlanBytes));
    const PlanTask task{unit, impl_->places, impl_->plugins, *impl_->sandbox};
    TRY(WorkerProcess worker, WorkerProcess::start([&] { run_plan_worker(task, report); }));
    return PlanJob(std::make_unique<PlanJob::Impl>(unit.name, unit.digest, own_file(unit),
                                                   std::move(places), std::move(report),
                                                   std::move(worker)));
}

/// The error for a worker that ended without an answer; counts against the plugin that was running.
Error PluginHost::Impl::blame(const SharedReport& report, const std::string& what) {
    const std::uint32_t step = report.step();
    if (step >= plugins.size()) return {.message = "core: plan worker: " + what};
    ++crashes[step];
    const std::string quarantine =
        crashes[step] >= kQuarantineCrashes ? "; it is in quarantine from now on" : "";
    return {.message = fmt::format("{}: plugin {} while it made the plan{}; replace {}",
                                   plugins[step].name, what, quarantine, plugins[step].path)};
}

/// Every plugin has made its part of a plan. Quarantine stays: it was of use to other units only.
void PluginHost::Impl::forget_crashes() {
    for (unsigned& count : crashes) {
        if (count < kQuarantineCrashes) count = 0;
    }
}

Error PluginHost::Impl::judge(const SharedReport& report, const ProcessEnd& end) {
    if (!end.succeeded()) return blame(report, fmt::format("crashed ({})", end.describe()));
    switch (report.outcome()) {
        case SharedReport::Outcome::kError:
            return {.message = report.text()};
        case SharedReport::Outcome::kOutOfMemory:
            return blame(report, "ran out of memory");
        case SharedReport::Outcome::kThrew:
            return blame(report, "threw an exception");
        case SharedReport::Outcome::kNone:
        case SharedReport::Outcome::kDone:
        case SharedReport::Outcome::kRefused:  // with nothing that reads as a refusal
            break;
    }
    return blame(report, "ended without a result");
}

/// What came back has to be the plan of this very unit, with operations of plugins we know.
Result<Plan> PluginHost::Impl::read_plan(const PlanJob::Impl& job) const {
    TRY(Plan plan, deserialise(job.report.text()));
    if (plan.unit != job.unit || plan.digest != job.digest) {
        return fail("serialised plan: it is another unit's");
    }
    for (const Op& op : plan.ops) {
        if (op.plugin == "core" ||
            std::ranges::find(plugins, op.plugin, &LoadedPlugin::name) != plugins.end()) {
            continue;
        }
        return fail("serialised plan: an operation of no loaded plugin");
    }
    return plan;
}

Result<Plan> PluginHost::Impl::read_answer(PlanJob::Impl& work) {
    const auto end = work.worker.poll();
    if (!end) {
        work.worker.end();
        return std::unexpected(
            blame(work.report, fmt::format("did not finish within {} s", kPlanTimeout.count())));
    }
    const bool done = end->succeeded() && work.report.outcome() == SharedReport::Outcome::kDone;
    if (!done) return std::unexpected(judge(work.report, *end));
    TRY(Plan plan, read_plan(work));
    forget_crashes();
    return plan;
}

/// What the plugins of a worker that ended well refuse; none if it ended otherwise.
config::Diagnostics PluginHost::Impl::read_refusals(PlanJob::Impl& work) {
    const auto end = work.worker.poll();
    if (!end || !end->succeeded()) return {};
    if (work.report.outcome() != SharedReport::Outcome::kRefused) return {};
    return placed(unpack(work.report.text()), work.places, work.file);
}

config::Checked<Plan> PluginHost::finish_checked(PlanJob job) {
    auto refused = impl_->read_refusals(*job.impl_);
    if (!refused.empty()) return std::unexpected(std::move(refused));
    auto plan = impl_->read_answer(*job.impl_);
    if (plan) return std::move(*plan);
    return std::unexpected(config::Diagnostics{{.message = std::move(plan.error().message)}});
}

Result<Plan> PluginHost::finish_plan(PlanJob job) {
    const std::string file = job.impl_->file;
    auto plan = finish_checked(std::move(job));
    if (plan) return std::move(*plan);
    return std::unexpected(first_of(plan.error(), file));
}

/// Calls a hook of every plugin that has it; the first error ends it.
template <typename Call>
Result<void> PluginHost::Impl::call_each(std::string_view hook, Call call) const {
    for (const LoadedPlugin& plugin : plugins) {
        int code = 0;
        try {
            code = call(plugin.entry);
        } catch (...) {
            return fail(fmt::format("{}: {}: threw an exception", plugin.name, hook));
        }
        if (code < 0) return fail_errno(fmt::format("{}: {}", plugin.name, hook), -code);
    }
    return {};
}

Result<void> PluginHost::prepare(const std::string& unit) {
    return impl_->call_each("prepare", [&](const jsv_plugin& entry) {
        return entry.prepare != nullptr ? entry.prepare(unit.c_str()) : 0;
    });
}

Result<void> PluginHost::started(const std::string& unit, int pid) {
    return impl_->call_each("started", [&](const jsv_plugin& entry) {
        return entry.started != nullptr ? entry.started(unit.c_str(), pid) : 0;
    });
}

void PluginHost::teardown(const std::string& unit) {
    // Every plugin gets its turn: what one cannot clean up is no reason to leave the others'
    // things.
    for (const LoadedPlugin& plugin : impl_->plugins) {
        if (plugin.entry.teardown == nullptr) continue;
        try {
            static_cast<void>(plugin.entry.teardown(unit.c_str()));
        } catch (...) {
            continue;
        }
    }
}

std::string PluginHost::stats(const std::string& unit, int pid) {
    std::string all;
    static_cast<void>(impl_->call_each("stats", [&](const jsv_plugin& entry) {
        if (entry.stats == nullptr) return 0;
        std::array<char, kMaxStats> text{};
        const int length = entry.stats(unit.c_str(), pid, text.data(), text.size());
        if (length > 0)
            all.append(text.data(),
                       std::min<std::size_t>(text.size(), static_cast<std::size_t>(length)));
        return 0;
    }));
    return all;
}

std::vector<std::pair<std::string, PluginHost::Doctor>> PluginHost::doctors() const {
    std::vector<std::pair<std::string, Doctor>> all;
    for (const LoadedPlugin& plugin : impl_->plugins) {
        if (plugin.entry.doctor != nullptr) all.emplace_back(plugin.name, plugin.entry.doctor);
    }
    return all;
}

}  // namespace jailsvc::jailer
