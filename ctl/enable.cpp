#include "enable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/site_files.hpp"
#include "commands.hpp"
#include "outcomes.hpp"
#include "programs.hpp"
#include "site_write.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

bool is_about_masks(Verb verb) {
    return verb == Verb::kMask || verb == Verb::kUnmask;
}

/// Whether the unit is by now what it was meant to be.
bool is_as_wished(Verb verb, const Json& unit) {
    const Json& now = unit.at("now");
    switch (verb) {
        case Verb::kEnable:
            return now.at("enabled").get<bool>() && unit.at("listed").get<bool>() &&
                   !now.at("wanted_by").empty();
        case Verb::kDisable:
            return !now.at("enabled").get<bool>() || now.at("wanted_by").empty() ||
                   !unit.at("listed").get<bool>();
        case Verb::kMask:
            return now.at("masked").get<bool>();
        case Verb::kUnmask:
            return !now.at("masked").get<bool>();
    }
    return true;
}

std::string names_of(const Json& list) {
    std::string names;
    for (const auto& name : list) {
        names += (names.empty() ? "" : ", ") + printable(name.get<std::string>());
    }
    return names;
}

/// All units of one command: planned before the first file is touched.
class Installer {
public:
    Installer(const Context& context, const InstallOptions& options)
        : context_(context), options_(options) {
        for (const std::string& unit : options.units) {
            if (std::ranges::find(units_, unit) == units_.end()) units_.push_back(unit);
        }
    }

    Result<void> run() {
        TRY(const Json before, ask_installed(context_, units_));
        site_ = before.at("site").get<std::string>();
        std::vector<SiteChange> changes;
        for (const Json& unit : before.at("units")) {
            TRY_VOID(refuse_template(unit));
            TRY(SiteChange change, plan_change(options_.verb, unit, options_.by));
            changes.push_back(std::move(change));
        }
        for (std::size_t i = 0; i < changes.size(); ++i) {
            TRY_VOID(carry_out(before.at("units")[i], changes[i]));
        }
        return look_again();
    }
    Result<void> reload() {
        TRY(reloaded_, reload_if_running(context_));
        return {};
    }

    /// What was done, for people or programs.
    void tell() const {
        if (context_.json) return;
        for (const Json& unit : done_) {
            const std::string state = unit.at("state").get<std::string>();
            const std::string by =
                state == "enabled" ? ", wanted by " + names_of(unit.at("wanted_by")) : "";
            const char* is = unit.at("changed").get<bool>() ? "" : "was ";
            const std::string name = printable(unit.at("name").get<std::string>());
            std::printf("%s: %s%s%s\n", name.c_str(), is, state.c_str(), by.c_str());
            if (is_about_masks(options_.verb) || !unit.at("masked").get<bool>()) continue;
            std::fprintf(stderr, "jailsvc: %s: is masked; `jailsvc unmask %s` lifts that\n",
                         name.c_str(), name.c_str());
        }
    }
    [[nodiscard]] Json as_json() const { return {{"units", done_}, {"reloaded", reloaded_}}; }

private:
    /// An instance can be started, so only that can be enabled; a mask may be all instances'.
    [[nodiscard]] Result<void> refuse_template(const Json& unit) const {
        if (is_about_masks(options_.verb) || unit.at("kind") != "template") return {};
        const auto name = unit.at("name").get<std::string>();
        return fail(fmt::format("{0} is a template; name an instance of it, as in \"{0}1\"", name),
                    kUsage);
    }
    [[nodiscard]] SiteFile file_of(const Json& unit) const {
        return drop_in_of(site_, unit.at("name").get<std::string>(),
                          is_about_masks(options_.verb) ? kMaskedFile : kEnabledFile);
    }
    Result<void> carry_out(const Json& unit, const SiteChange& change) {
        bool changed = false;
        switch (change.what) {
            case SiteChange::What::kNothing:
                break;
            case SiteChange::What::kWrite:
                TRY_VOID(write_site_file(file_of(unit), change.text));
                changed = true;
                break;
            case SiteChange::What::kRemove: {
                TRY(changed, remove_site_file(file_of(unit)));
                break;
            }
        }
        done_.push_back({{"name", unit.at("name")}, {"changed", changed}});
        return {};
    }

    /// Another file may have the last word.
    Result<void> look_again() {
        TRY(const Json after, ask_installed(context_, units_));
        for (std::size_t i = 0; i < done_.size(); ++i) {
            const Json& unit = after.at("units")[i];
            done_[i]["masked"] = unit.at("now").at("masked");
            done_[i]["state"] =
                is_about_masks(options_.verb) ? install_state(unit) : wanted_state(unit);
            done_[i]["wanted_by"] = unit.at("now").at("wanted_by");
            if (is_as_wished(options_.verb, unit) || !unit.at("loads").get<bool>()) continue;
            const char* key = is_about_masks(options_.verb) ? "masked_by" : "enabled_by";
            const auto name = unit.at("name").get<std::string>();
            const auto other = unit.at("now").at(key).get<std::string>();
            return fail(fmt::format("{}: is {} all the same: {} says so; change that file", name,
                                    done_[i]["state"].get<std::string>(),
                                    other.empty() ? "its file" : other),
                        kFailure);
        }
        return {};
    }

    const Context& context_;
    const InstallOptions& options_;
    std::vector<std::string> units_;  ///< each once
    std::string site_;
    Json done_ = Json::array();
    bool reloaded_ = false;
};

/// As a person types it who may have left out the target.
Result<void> check_targets(const std::vector<std::string>& targets) {
    for (const std::string& name : targets) {
        const bool plain = std::ranges::all_of(name, [](unsigned char c) {
            return std::isalnum(c) != 0 || c == ':' || c == '_' || c == '.' || c == '-' || c == '@';
        });
        if (!plain || name.empty()) return fail("--by: \"" + name + "\" is no unit's name", kUsage);
    }
    return {};
}

/// Units that presets want to be so. What no target wants can be neither.
std::vector<std::string> preset_to(const Json& all, Verb verb) {
    const char* word = verb == Verb::kEnable ? "enable" : "disable";
    std::vector<std::string> names;
    for (const Json& unit : all.at("units")) {
        const bool can_be = unit.at("kind") != "template" && unit.at("loads").get<bool>() &&
                            !unit.at("now").at("wanted_by").empty();
        if (can_be && unit.at("preset") == word) names.push_back(unit.at("name"));
    }
    return names;
}

/// --now, and the exit code.
int start_or_stop(const Context& context, const InstallOptions& options, Json& told) {
    const char* method = options.verb == Verb::kEnable ? "Start" : "Stop";
    const auto answer = ask(context, method, {{"units", options.units}, {"no_block", false}});
    if (!answer) {
        told["error"] = answer.error().message;
        if (!context.json) return report(context, answer.error());
        return answer.error().code;
    }
    told["outcomes"] = answer->reply.parameters.value("outcomes", Json::array());
    if (!context.json) show_outcomes(answer->reply.parameters);
    return code_of_outcomes(answer->reply.parameters);
}

/// What jailsvcd says; units that are none are among it.
Result<Json> tell_installed(const Context& context, const std::vector<std::string>& units) {
    Context plain = context;
    plain.json = false;
    std::vector<std::string> arguments = with_places(context, "installed");
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), units.begin(), units.end());
    TRY(const Said said,
        listen_to([&] { return become(plain, "jailsvcd", arguments); }, Listen::kOutputOnly));
    if (said.code != 0) return fail("the unit files could not be read", kFailure);
    Json all = Json::parse(said.text, nullptr, false);
    if (all.is_discarded()) {
        return fail("jailsvcd is of another version; install it again", kFailure);
    }
    return all;
}

/// A target that has no file comes into being, but then nothing starts it.
Result<void> warn_of_targets(const Context& context, const std::vector<std::string>& targets) {
    if (targets.empty()) return {};
    TRY(const Json all, tell_installed(context, targets));
    for (const Json& unit : all.at("units")) {
        const auto name = unit.at("name").get<std::string>();
        if (unit.at("kind") != "none" || name == "default") continue;
        std::fprintf(stderr, "warning: there is no unit %s, so nothing starts it but a person\n",
                     name.c_str());
    }
    return {};
}
}  // namespace

Result<Json> ask_installed(const Context& context, const std::vector<std::string>& units) {
    TRY(Json all, tell_installed(context, units));
    for (const Json& unit : all.at("units")) {
        if (unit.at("kind") != "none") continue;
        const Json& problems = all.at("problems");
        if (!problems.empty()) return fail(problems[0].get<std::string>(), kFailure);
        const auto nearest = unit.at("nearest").get<std::string>();
        const std::string hint = nearest.empty() ? "no file of that name is in the unit directories"
                                                 : "did you mean \"" + nearest + "\"?";
        return fail(fmt::format("no unit \"{}\"; {}", unit.at("name").get<std::string>(), hint),
                    kNoSuchUnit);
    }
    return all;
}

Result<bool> reload_if_running(const Context& context) {
    auto client = control::Client::connect(socket_of(context));
    if (!client && (client.error().code == ENOENT || client.error().code == ECONNREFUSED)) {
        return false;
    }
    TRY(control::Client connected, connect(context));
    TRY(const auto answer, ask_on(context, connected, "DaemonReload", Json::object()));
    return true;
}

int run_install(const Context& context, const InstallOptions& options) {
    if (const auto good = check_targets(options.by); !good) return report(context, good.error());
    if (const auto warned = warn_of_targets(context, options.by); !warned) {
        return report(context, warned.error());
    }
    Installer installer(context, options);
    if (const auto done = installer.run(); !done) return report(context, done.error());
    if (const auto done = installer.reload(); !done) return report(context, done.error());
    installer.tell();
    Json told = installer.as_json();
    const int code = options.now ? start_or_stop(context, options, told) : kOk;
    if (context.json) print_json(told);
    return code;
}

int run_preset(const Context& context, const std::vector<std::string>& units) {
    const auto all = ask_installed(context, units);
    if (!all) return report(context, all.error());
    const Json& problems = all->at("preset_problems");
    // A line that was meant to be heard before the others decides nothing when it is not
    // understood.
    if (!problems.empty()) return report(context, {problems[0].get<std::string>(), kFailure});
    Json told{{"units", Json::array()}, {"reloaded", false}};
    for (const Verb verb : {Verb::kDisable, Verb::kEnable}) {
        const InstallOptions options{
            .verb = verb, .units = preset_to(*all, verb), .by = {}, .now = false};
        if (options.units.empty()) continue;
        Installer installer(context, options);
        if (const auto ran = installer.run(); !ran) return report(context, ran.error());
        installer.tell();
        const Json done = installer.as_json();
        for (const Json& unit : done.at("units")) told["units"].push_back(unit);
    }
    if (!told["units"].empty()) {
        const auto reloaded = reload_if_running(context);
        if (!reloaded) return report(context, reloaded.error());
        told["reloaded"] = *reloaded;
    }
    if (context.json) print_json(told);
    return kOk;
}

int run_is_enabled(const Context& context, const std::string& unit) {
    const auto all = ask_installed(context, {unit});
    if (!all) return report(context, all.error());
    const Json& told = all->at("units")[0];
    const bool is_template = told.at("kind") == "template";
    const std::string state = install_state(told);
    if (is_template && state != "masked") {
        return report(context, {fmt::format("{0} is a template; name an instance of it, as in "
                                            "\"{0}1\"",
                                            unit),
                                kUsage});
    }
    if (!told.at("loads").get<bool>()) {
        return report(
            context, {fmt::format("{}: its file cannot be read; `jailsvc verify {}` says why", unit,
                                  told.at("file").get<std::string>()),
                      kNotConfigured});
    }
    if (context.json) {
        print_json(
            {{"name", unit}, {"state", state}, {"wanted_by", told.at("now").at("wanted_by")}});
    } else {
        std::puts(state.c_str());
    }
    return state == "enabled" ? kOk : kFailure;
}

}  // namespace jailsvc::ctl
