// `jailsvcd explain`: what a unit file may say, from the schemas of the core and of every plugin
// that loads here.

#include <cstdio>

#include "base/places.hpp"
#include "config/schema_text.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "jailer/run.hpp"
#include "jailer/tools/tool_arguments.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kUsage = 2;

/// "markdown" and "json-schema" are no tables, and never will be: table names have no hyphen, and
/// docs/UNITS.md is the only reader of the former.
Result<std::string> text_about(const config::Schema& schema, const std::string& what) {
    if (what == "markdown") return config::to_markdown(schema);
    if (what == "json-schema") return config::json_schema(schema);
    return config::explain(schema, what);
}

std::string list_tables(const config::Schema& schema) {
    std::string text;
    for (const auto& table : schema.tables) text += "[" + table.name + "]  " + table.doc + "\n";
    return text;
}

}  // namespace

int explain(const std::vector<std::string>& arguments) {
    const ToolArguments given = split_arguments(arguments);
    const auto places = Places::from_arguments(given.options);
    if (!places) {
        std::fprintf(stderr, "jailsvcd: %s\n", places.error().message.c_str());
        return kUsage;
    }
    const PluginHost host = PluginHost::load(*places);
    if (given.rest.empty()) {
        std::fputs(list_tables(host.schema()).c_str(), stdout);
        return 0;
    }
    for (const std::string& what : given.rest) {
        const auto text = text_about(host.schema(), what);
        if (!text) {
            std::fprintf(stderr, "jailsvc: %s\n", text.error().message.c_str());
            return 1;
        }
        std::fputs(text->c_str(), stdout);
    }
    return 0;
}

}  // namespace jailsvc::jailer
