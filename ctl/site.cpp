#include "site.hpp"

#include <memory>

#include "apply.hpp"
#include "edit.hpp"
#include "enable.hpp"

namespace jailsvc::ctl {
namespace {

struct Options {
    InstallOptions install;
    std::string unit;
    std::vector<std::string> preset;
    ApplyOptions apply;
    EditOptions edit;
};

constexpr const char* kFiles =
    "Writes or removes one file, UNIT.toml.d/enabled.toml or masked.toml in the site's unit "
    "directory\n(/etc/jailsvc/units, or DIR/units with --config DIR), and has a supervisor that "
    "runs read its files\nagain. Needs none, so that it works where an image is made.";

void add_install(CLI::App& app, const std::shared_ptr<Options>& options, const Context& context,
                 int& exit_code) {
    const struct {
        Verb verb;
        const char* name;
        const char* help;
        const char* now;  ///< nullptr: has no --now
    } verbs[] = {
        {Verb::kEnable, "enable", "Have units started with the targets that want them",
         "start them, too"},
        {Verb::kDisable, "disable", "Have units wanted by no target", "stop them, too"},
        {Verb::kMask, "mask", "Have units started by nothing and nobody", "stop them, too"},
        {Verb::kUnmask, "unmask", "Lift masks", nullptr},
    };
    for (const auto& one : verbs) {
        CLI::App* command = app.add_subcommand(one.name, one.help);
        command->add_option("unit", options->install.units)->required();
        if (one.now != nullptr) command->add_flag("--now", options->install.now, one.now);
        if (one.verb == Verb::kEnable) {
            command
                ->add_option("--by", options->install.by,
                             "wanted by this target, instead of those that the unit names")
                ->allow_extra_args(false);
        }
        command->footer(kFiles);
        command->callback([options, verb = one.verb, &context, &exit_code] {
            options->install.verb = verb;
            exit_code = run_install(context, options->install);
        });
    }
}

void add_preset(CLI::App& app, const std::shared_ptr<Options>& options, const Context& context,
                int& exit_code) {
    CLI::App* preset =
        app.add_subcommand("preset", "Enable and disable units as the presets want it");
    preset->add_option("unit", options->preset, "none: all of them");
    preset->footer(
        "Presets are /etc/jailsvc/presets/*.preset (DIR/presets with --config DIR) and those "
        "beside "
        "the\nshipped profiles: lines \"enable GLOB\", \"disable GLOB\", \"ignore GLOB\"; the "
        "first "
        "one that\nmatches counts. A unit that none matches stays as it is.");
    preset->callback(
        [options, &context, &exit_code] { exit_code = run_preset(context, options->preset); });
}

void add_is_enabled(CLI::App& app, const std::shared_ptr<Options>& options, const Context& context,
                    int& exit_code) {
    CLI::App* is_enabled = app.add_subcommand(
        "is-enabled", "Say whether a unit is enabled, disabled, masked or static");
    is_enabled->add_option("unit", options->unit)->required();
    is_enabled->footer(
        "static: wanted by no target. Exit code 0 if it is enabled, otherwise 1. Looks at the "
        "files alone.");
    is_enabled->callback(
        [options, &context, &exit_code] { exit_code = run_is_enabled(context, options->unit); });
}

void add_apply(CLI::App& app, const std::shared_ptr<Options>& options, const Context& context,
               int& exit_code) {
    CLI::App* apply = app.add_subcommand(
        "apply", "Read the unit files again and restart the units that run with an old one");
    apply->add_option("unit", options->apply.units, "these of them alone");
    apply->add_flag("--dry-run", options->apply.dry_run,
                    "read the files, tell what would be restarted, and restart nothing");
    apply->footer(
        "Exit code 1 if a file has errors or a unit did not come up again. Units that do not run "
        "stay as\nthey are; so does one that was merely enabled, disabled or masked.");
    apply->callback(
        [options, &context, &exit_code] { exit_code = run_apply(context, options->apply); });
}

void add_edit(CLI::App& app, const std::shared_ptr<Options>& options, const Context& context,
              int& exit_code) {
    CLI::App* edit = app.add_subcommand(
        "edit", "Edit what the site says of a unit, and check it before it holds");
    edit->add_option("unit", options->edit.unit)->required();
    edit->add_flag("--full", options->edit.full,
                   "the whole unit file, copied to the site's directory if it is elsewhere");
    edit->footer(
        "Opens $VISUAL, $EDITOR or an editor that is there on a draft of "
        "UNIT.toml.d/override.toml. "
        "A draft\nwith errors, as `jailsvc verify` finds them, can be edited on, and otherwise "
        "changes nothing (exit\ncode 6). What runs goes on: `jailsvc apply` restarts it.");
    edit->callback(
        [options, &context, &exit_code] { exit_code = run_edit(context, options->edit); });
}

}  // namespace

void add_site(CLI::App& app, const Context& context, int& exit_code) {
    const auto options = std::make_shared<Options>();
    add_install(app, options, context, exit_code);
    add_preset(app, options, context, exit_code);
    add_is_enabled(app, options, context, exit_code);
    add_apply(app, options, context, exit_code);
    add_edit(app, options, context, exit_code);
}

}  // namespace jailsvc::ctl
