#include "jailer/loop/properties.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>

#include "base/sys.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

std::string drop_in_directory(const std::string& root, const std::string& unit) {
    return fmt::format("{}/{}.toml.d", root, unit);
}
std::string drop_in_file(const std::string& root, const std::string& unit) {
    return fmt::format("{}/{}", drop_in_directory(root, unit), config::kOverlayFile);
}

/// Where a drop-in is tried before it counts: as the highest directory of units it masks the one
/// that does.
std::string trial_root(const Places& places) {
    return places.run + "/set-property";
}
std::string transient_root(const Places& places) {
    return places.run + "/units";
}

Error to_error(const config::Diagnostics& diagnostics) {
    std::string text;
    for (const config::Diagnostic& one : diagnostics) {
        if (!text.empty()) text += "; ";
        text += one.message;
    }
    return {text, EINVAL};
}

/// The operations but limits: those that a running process or its jail could not be given.
std::vector<Op> all_but_limits(const LoadedUnit& unit) {
    std::vector<Op> ops = unit.plan.plan().ops;
    std::erase_if(ops, [](const Op& op) { return op.kind == JSV_OP_CGROUP; });
    return ops;
}

Result<void> check_limits_alone(const LoadedUnit& now, const LoadedUnit& next,
                                const std::string& keys) {
    if (all_but_limits(now) == all_but_limits(next)) return {};
    return fail(fmt::format("{}: changes more than limits of memory, processors, tasks and disks, "
                            "which takes a start; write it into the unit's file, then "
                            "jailsvc daemon-reload and restart",
                            keys),
                EINVAL);
}

}  // namespace

void Properties::set(const ipc::SetProperty& request, Fd overlay) {
    const std::string unit(ipc::get_text(request.unit));
    if (!config::is_unit_name(unit)) {
        return tell::property_set(core_.engine, request.serial, "", false, "not a unit's name");
    }
    waiting_.push_back({request.serial, unit, std::move(overlay)});
    if (!change_) next();
}

void Properties::next() {
    if (waiting_.empty()) return;
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    change_.emplace();
    change_->serial = first.serial;
    change_->unit = std::move(first.unit);
    if (auto begun = begin(std::move(first.overlay)); !begun) {
        return finish(std::unexpected(std::move(begun).error()));
    }
    // The unit as it is: most times known, since it runs.
    core_.units.get_current(change_->unit, [this, serial = change_->serial](const auto& loaded) {
        if (!change_ || change_->serial != serial) return;
        // Of one that runs it is enough to know that; the change may be what mends its files.
        if (!loaded && change_->jail != 0) return planned_now();
        take(loaded, &Change::now, &Properties::planned_now);
    });
}

Result<void> Properties::begin(Fd overlay) {
    Change& change = *change_;
    TRY(const std::string text, sys::read_memfd(overlay.get(), config::kMaxOverlay));
    auto parsed = config::parse_overlay(core_.plugins.schema(), text);
    if (!parsed) return std::unexpected(to_error(parsed.error()));
    change.overlay = std::move(*parsed);
    for (const auto& [key, value] : change.overlay.sections.begin()->second.keys) {
        change.keys += (change.keys.empty() ? "" : ", ") + key;
    }
    const auto before = sys::read_file(drop_in_file(transient_root(core_.places), change.unit),
                                       config::kMaxOverlay);
    if (!before && before.error().code != ENOENT) return std::unexpected(before.error());
    const auto drop_in =
        config::add_to_drop_in(core_.plugins.schema(), before.value_or(""), change.overlay);
    if (!drop_in) return std::unexpected(to_error(drop_in.error()));
    TRY(const config::Unit unit, load_as_if(*drop_in));
    if (unit.is_target) return fail("a target runs no program that could be limited", EINVAL);
    change.text = unit.text.str();
    const Jail* jail = jails_.find(change.unit);
    if (jail != nullptr) change.jail = jail->token;
    return {};
}

/// The unit with that drop-in; a ceiling and every check apply as to any file.
Result<config::Unit> Properties::load_as_if(const std::string& drop_in) {
    const std::string root = trial_root(core_.places);
    TRY_VOID(sys::make_directories(drop_in_directory(root, change_->unit)));
    TRY_VOID(sys::replace_file(drop_in_file(root, change_->unit), drop_in));
    config::Sources sources = core_.units.sources();
    sources.unit_dirs.insert(sources.unit_dirs.begin(), root);
    auto unit = config::load_unit(sources, core_.plugins.schema(), change_->unit);
    if (!unit) return std::unexpected(to_error(unit.error()));
    return std::move(*unit);
}

void Properties::plan(const std::string& text, LoadedPtr Change::* into, Step then) {
    core_.units.get_from_text(change_->unit, text,
                              [this, serial = change_->serial, into, then](const auto& loaded) {
                                  if (change_ && change_->serial == serial)
                                      take(loaded, into, then);
                              });
}

void Properties::take(const Result<LoadedPtr>& loaded, LoadedPtr Change::* into, Step then) {
    if (!loaded) return finish(std::unexpected(loaded.error()));
    (*change_).*into = *loaded;
    (this->*then)();
}

void Properties::planned_now() {
    plan(change_->text, &Change::next, &Properties::planned_next);
}

void Properties::planned_next() {
    Change& change = *change_;
    const auto alike =
        change.now ? check_limits_alone(*change.now, *change.next, change.keys) : Result<void>();
    if (!alike) return finish(std::unexpected(alike.error()));
    if (change.jail == 0) return apply();
    const auto jail = running_jail();
    if (!jail) return finish(std::unexpected(jail.error()));
    if ((*jail)->loaded) {
        change.run_now = (*jail)->loaded;
        return planned_run_now();
    }
    plan(*(*jail)->text, &Change::run_now, &Properties::planned_run_now);
}

/// What runs may be of files that have changed since: then it is that, with the new limits, that
/// goes on running.
void Properties::planned_run_now() {
    Change& change = *change_;
    if (change.now && change.run_now->plan.digest() == change.now->plan.digest()) {
        change.run_next = change.next;
        return apply();
    }
    const auto text =
        config::put_over(core_.plugins.schema(), change.run_now->unit.text.str(), change.overlay);
    if (!text) return finish(std::unexpected(to_error(text.error())));
    plan(*text, &Change::run_next, &Properties::planned_run);
}

void Properties::planned_run() {
    auto alike = check_limits_alone(*change_->run_now, *change_->run_next, change_->keys);
    if (!alike) return finish(std::unexpected(std::move(alike).error()));
    apply();
}

Result<Jail*> Properties::running_jail() {
    Jail* jail = jails_.find(change_->unit);
    const bool same = jail != nullptr && jail->token == change_->jail;
    // One that an earlier jailer made stands, though nobody has asked for it since.
    const bool stands =
        same && (jail->state == Jail::State::kStanding ||
                 (jail->state == Jail::State::kNew && jail->adopted && !jail->lost_stub));
    if (!stands) return fail("it is just being started or stopped; try again", EBUSY);
    return jail;
}

void Properties::apply() {
    Change& change = *change_;
    if (change.jail == 0 && jails_.find(change.unit) != nullptr) {
        return finish(fail("it is just being started; try again", EBUSY));
    }
    if (change.jail != 0) {
        const auto jail = running_jail();
        if (!jail) return finish(std::unexpected(jail.error()));
        const Attempt done = jails_.adjust(**jail, change.run_now, change.run_next);
        if (!done) return finish(fail(done.error().text, done.error().code));
    }
    if (auto placed = put_in_place(); !placed) {
        const auto jail = running_jail();
        if (change.jail != 0 && jail) {
            (void)jails_.adjust(**jail, change.run_next, change.run_now);
        }
        return finish(std::unexpected(std::move(placed).error()));
    }
    core_.units.replace(change.next);
    spdlog::info("{}: {} set", change.unit, change.keys);
    finish(change.run_next ? change.run_next->unit.text.str() : std::string());
}

Result<void> Properties::put_in_place() {
    const std::string root = transient_root(core_.places);
    TRY_VOID(sys::make_directories(drop_in_directory(root, change_->unit)));
    const std::string from = drop_in_file(trial_root(core_.places), change_->unit);
    const std::string to = drop_in_file(root, change_->unit);
    if (std::rename(from.c_str(), to.c_str()) == -1) return fail_errno("rename " + to);
    return {};
}

/// With what it runs as, or why nothing has changed.
void Properties::finish(const Result<std::string>& result) {
    const std::string root = trial_root(core_.places);
    (void)std::remove(drop_in_file(root, change_->unit).c_str());
    (void)std::remove(drop_in_directory(root, change_->unit).c_str());
    tell::property_set(core_.engine, change_->serial, change_->unit, result.has_value(),
                       result ? *result : result.error().message);
    change_.reset();
    next();
}

}  // namespace jailsvc::jailer
