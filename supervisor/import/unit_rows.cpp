// [Unit] and [Install].

#include <fmt/format.h>

#include "import/directive.hpp"

namespace jailsvc::import {
namespace {

/// Names of units, each of its own fate; those without one here are told in one note.
Verdict take_units(Place& place, const char* key) {
    const auto [table, name] = table_key(key);
    if (place.value().empty()) {
        place.draft.drop(table, name);
        return {};
    }
    const auto words = split_words(place.value());
    if (!words) return left_out(words.error().message);
    std::string gone;
    std::size_t kept = 0;
    for (const std::string& word : *words) {
        const OurName ours = our_name(word);
        if (ours.name.empty()) {
            gone += fmt::format("{}{} ({})", gone.empty() ? "" : ", ", word, ours.why_not);
            continue;
        }
        ++kept;
        if (ours.name != place.unit) place.draft.add(table, name, ours.name);
    }
    if (gone.empty()) return {};
    if (kept == 0) return left_out(gone);
    return noted("without " + gone);
}

Verdict take_required_by(Place& place, const char*) {
    const Verdict verdict = take_units(place, "install.wanted_by");
    if (verdict.outcome == Outcome::kLeftOut) return verdict;
    return noted("wanted, not required: what requires a unit says so itself here");
}

Verdict take_requisite(Place& place, const char*) {
    const Verdict verdict = take_units(place, "unit.requires");
    if (verdict.outcome == Outcome::kLeftOut) return verdict;
    return noted("required, so started too; there it has to run already");
}

Verdict take_alias(Place& place, const char*) {
    const auto words = split_words(place.value());
    if (!words) return left_out(words.error().message);
    for (const std::string& word : *words) {
        const OurName ours = our_name(word);
        if (ours.name.empty() || ours.name.find('@') != std::string::npos) {
            return left_out("no name that an alias can have here");
        }
        if (ours.name != place.unit) place.draft.add("install", "alias", ours.name);
    }
    return {};
}

constexpr const char* kNoConditions = "nothing is asked before a start; exec_start_pre may do it";
constexpr const char* kNoJobs = "about how systemd merges its jobs";

std::vector<Row> make_rows() {
    std::vector<Row> rows = {
        {"Unit", "Description", take_text, "unit.description"},
        {"Unit", "Documentation", take_words, "unit.documentation"},
        {"Unit", "Requires", take_units, "unit.requires"},
        {"Unit", "Requisite", take_requisite},
        {"Unit", "Wants", take_units, "unit.wants"},
        {"Unit", "BindsTo", take_units, "unit.binds_to"},
        {"Unit", "PartOf", take_units, "unit.part_of"},
        {"Unit", "After", take_units, "unit.after"},
        {"Unit", "Before", take_units, "unit.before"},
        {"Unit", "Conflicts", take_units, "unit.conflicts"},
        {"Unit", "OnFailure", take_units, "unit.on_failure"},
        {"Unit", "OnSuccess", take_units, "unit.on_success"},
        {"Unit", "StartLimitBurst", take_number, "unit.start_limit_burst"},
        {"Unit", "StartLimitIntervalSec", take_duration, "unit.start_limit_interval"},
        {"Unit", "StartLimitInterval", take_duration, "unit.start_limit_interval"},
        {"Unit", "DefaultDependencies", take_as_covered,
         "units start when the machine is up, and stop before it ends"},
        {"Unit", "RequiresMountsFor", take_nothing,
         "mounts are no units here; they stand before units start"},
        {"Unit", "PropagatesReloadTo", take_nothing, "reload each unit itself"},
        {"Unit", "ReloadPropagatedFrom", take_nothing, "reload each unit itself"},
        {"Unit", "PropagatesStopTo", take_nothing, "part_of in the other unit says it"},
        {"Unit", "StopPropagatedFrom", take_units, "unit.part_of"},
        {"Unit", "JoinsNamespaceOf", take_nothing, "[jail.network] mode = \"join\" may serve"},
        {"Unit", "StopWhenUnneeded", take_nothing, "what was started stays until it is stopped"},
        {"Unit", "RefuseManualStart", take_nothing, "roles decide who may start units"},
        {"Unit", "RefuseManualStop", take_nothing, "roles decide who may stop units"},
        {"Unit", "AllowIsolate", take_nothing, "nothing is isolated here"},
        {"Unit", "IgnoreOnIsolate", take_nothing, "nothing is isolated here"},
        {"Unit", "SuccessAction", take_nothing, "essential = true ends everything with the unit"},
        {"Unit", "FailureAction", take_nothing, "essential = true ends everything with the unit"},
        {"Unit", "StartLimitAction", take_nothing, "on_failure may name a unit that does it"},
        {"Unit", "RebootArgument", take_nothing, "no unit reboots the machine"},
        {"Unit", "OnFailureIsolate", take_nothing, "nothing is isolated here"},
        {"Unit", "SourcePath", take_nothing, "about generated units"},
        {"Unit", "CollectMode", take_nothing, "failed units stay until reset-failed"},
        {"Unit", "SurviveFinalKillSignal", take_nothing, "nothing survives the supervisor"},
        {"Install", "WantedBy", take_units, "install.wanted_by"},
        {"Install", "RequiredBy", take_required_by},
        {"Install", "UpheldBy", take_required_by},
        {"Install", "Alias", take_alias},
        {"Install", "Also", take_nothing, "enable that unit too"},
        {"Install", "DefaultInstance", take_nothing, "name an instance where one is enabled"},
    };
    for (const char* name : {"OnFailureJobMode", "OnSuccessJobMode", "JobTimeoutSec",
                             "JobRunningTimeoutSec", "JobTimeoutAction"}) {
        rows.push_back({"Unit", name, take_nothing, kNoJobs});
    }
    static constexpr const char* kConditions[] = {"PathExists",
                                                  "PathExistsGlob",
                                                  "PathIsDirectory",
                                                  "PathIsSymbolicLink",
                                                  "PathIsMountPoint",
                                                  "PathIsReadWrite",
                                                  "DirectoryNotEmpty",
                                                  "FileNotEmpty",
                                                  "FileIsExecutable",
                                                  "KernelCommandLine",
                                                  "KernelVersion",
                                                  "Virtualization",
                                                  "Host",
                                                  "ACPower",
                                                  "Architecture",
                                                  "Capability",
                                                  "ControlGroupController",
                                                  "Credential",
                                                  "Environment",
                                                  "FirstBoot",
                                                  "Firmware",
                                                  "Group",
                                                  "Memory",
                                                  "NeedsUpdate",
                                                  "OSRelease",
                                                  "Security",
                                                  "User",
                                                  "CPUs",
                                                  "CPUFeature",
                                                  "PathIsEncrypted",
                                                  "MemoryPressure",
                                                  "CPUPressure",
                                                  "IOPressure"};
    static const std::vector<std::string> kNames = [] {
        std::vector<std::string> names;
        for (const char* one : kConditions) {
            names.push_back(std::string("Condition") + one);
            names.push_back(std::string("Assert") + one);
        }
        return names;
    }();
    for (const std::string& name : kNames) {
        rows.push_back({"Unit", name, take_nothing, kNoConditions});
    }
    return rows;
}

}  // namespace

const std::vector<Row>& unit_rows() {
    static const std::vector<Row> kRows = make_rows();
    return kRows;
}

}  // namespace jailsvc::import
