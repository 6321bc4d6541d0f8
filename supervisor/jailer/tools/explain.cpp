// `jailsvcd explain`: what a unit file may say, from the schemas of the core and of every plugin
// that loads here.

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/places.hpp"
#include "config/explain.hpp"
#include "config/schema_text.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "jailer/run.hpp"
#include "jailer/tools/tool_arguments.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kUsage = 2;
constexpr int kUnknown = 1;

/// "markdown" and "json-schema" are no tables, and never will be: table names have no hyphen, and
/// docs/UNITS.md is the only reader of the former.
Result<std::string> text_about(const config::Schema& schema, const std::string& what, bool json) {
    if (what == "markdown") return config::to_markdown(schema);
    if (what == "json-schema") return config::json_schema(schema);
    TRY(const config::Explained found, config::look_up(schema, what));
    return json ? config::to_json(found) : config::to_text(found);
}

void print(const std::string& text) {
    std::fputs(text.c_str(), stdout);
}

/// Where a program reads, it finds why on standard output too, as from the client.
int refuse(const Error& error, bool json) {
    if (json) {
        print(nlohmann::json{{"error", "Failed"}, {"message", error.message}}.dump(2) + "\n");
    } else {
        std::fprintf(stderr, "jailsvc: %s\n", error.message.c_str());
    }
    return kUnknown;
}

}  // namespace

int explain(std::vector<std::string> arguments) {
    const bool json = !arguments.empty() && arguments.front() == "--json";
    if (json) arguments.erase(arguments.begin());
    const ToolArguments given = split_arguments(arguments);
    const auto places = Places::from_arguments(given.options);
    if (!places) {
        std::fprintf(stderr, "jailsvcd: %s\n", places.error().message.c_str());
        return kUsage;
    }
    const PluginHost host = PluginHost::load(*places);
    if (given.rest.empty()) {
        const config::Explained all = config::all_tables(host.schema());
        print(json ? config::to_json(all) : config::to_text(all));
    }
    for (const std::string& what : given.rest) {
        const auto text = text_about(host.schema(), what, json);
        if (!text) return refuse(text.error(), json);
        print(*text);
    }
    return 0;
}

}  // namespace jailsvc::jailer
