#include "import.hpp"

#include <memory>
#include <string>
#include <vector>

#include "programs.hpp"

namespace jailsvc::ctl {
namespace {

struct Options {
    std::vector<std::string> files;
    std::string output;
    bool force = false;
};

int run_import(const Context& context, const char* kind, const Options& options) {
    std::vector<std::string> arguments;
    if (context.json) arguments.emplace_back("--json");
    if (options.force) arguments.emplace_back("--force");
    if (!options.output.empty()) {
        arguments.insert(arguments.end(), {"--output", options.output});
    }
    arguments.emplace_back(kind);
    // A path that begins like an option is none.
    for (const std::string& file : options.files) {
        arguments.push_back(file.starts_with('-') ? "./" + file : file);
    }
    return become(context, "jailsvc-import", arguments);
}

}  // namespace

void add_import(CLI::App& app, const Context& context, int& exit_code) {
    CLI::App* import = app.add_subcommand("import", "Make units of others' service files");
    import->require_subcommand(1);
    const auto options = std::make_shared<Options>();
    const struct {
        const char* name;
        const char* help;
    } kinds[] = {
        {"systemd", "Of .service, .socket and .timer units, with their drop-ins"},
        {"compose", "Of a docker-compose file: one unit for each of its services"},
    };
    for (const auto& kind : kinds) {
        CLI::App* command = import->add_subcommand(kind.name, kind.help);
        command->add_option("file", options->files)->required();
        command->add_option("--output", options->output,
                            "a directory for NAME.toml files, instead of standard output");
        command->add_flag("--force", options->force, "overwrite files that are there");
        command->footer(
            "What is not translated, or has to be known, is a comment in the file, and is told on "
            "standard\nerror; with --json every directive is told of. Look at a unit before it is "
            "started: `jailsvc verify`.");
        const char* name = kind.name;
        command->callback([options, name, &context, &exit_code] {
            exit_code = run_import(context, name, *options);
        });
    }
}

}  // namespace jailsvc::ctl
