#include "apply.hpp"

#include <cstdio>

#include "outcomes.hpp"
#include "reload.hpp"

namespace jailsvc::ctl {
namespace {

/// Of the units asked about: who runs with an old file, and whether the files of all are good.
struct Looked {
    Json stale = Json::array();
    bool sound = true;
};

Result<Looked> look(const Context& context, const std::vector<std::string>& units) {
    TRY(const auto answer, ask(context, "Status", {{"units", units}}));
    Looked looked;
    for (const auto& unit : answer.reply.parameters.value("units", Json::array())) {
        if (unit.value("stale", false)) looked.stale.push_back(unit.value("name", ""));
        looked.sound = looked.sound && unit.value("errors", Json::array()).empty();
    }
    return looked;
}

/// One call for all of them, so that the supervisor has them go and come in the order of their
/// dependencies, and each once.
Result<Json> restart(const Context& context, const Json& units) {
    if (units.empty()) return Json::array();
    TRY(const auto answer, ask(context, "Restart", {{"units", units}, {"no_block", false}}));
    return answer.reply.parameters.value("outcomes", Json::array());
}

}  // namespace

int run_apply(const Context& context, const ApplyOptions& options) {
    const auto reloaded = ask(context, "DaemonReload", Json::object());
    if (!reloaded) return report(context, reloaded.error());
    const Json& changes = reloaded->reply.parameters;
    if (!context.json) print_changes(changes);
    const auto looked = look(context, options.units);
    if (!looked) return report(context, looked.error());
    const char* what = options.dry_run ? "would restart" : "restarts";
    if (!context.json) print_names(what, looked->stale);
    std::fflush(stdout);  // what follows takes its time

    const auto outcomes =
        options.dry_run ? Result<Json>(Json::array()) : restart(context, looked->stale);
    if (!outcomes) return report(context, outcomes.error());
    const Json told{{"outcomes", *outcomes}};
    if (context.json) {
        print_json({{"changes", changes}, {"restart", looked->stale}, {"outcomes", *outcomes}});
    } else {
        show_outcomes(told);
    }
    // Errors in files that were not asked about are told, and none of this command's.
    const bool all_sound = changes.value("errors", Json::array()).empty();
    const bool sound = looked->sound && (all_sound || !options.units.empty());
    return sound ? code_of_outcomes(told) : kFailure;
}

}  // namespace jailsvc::ctl
