#include "config/schema.hpp"

#include <algorithm>

#include "config/core_keys.hpp"

namespace jailsvc::config {
namespace {

Schema make_core_schema() {
    Schema schema;
    schema.tables = {
        {.name = "unit",
         .doc = "What the unit is and how it relates to others.",
         .keys = {},
         .plugin = "core"},
        {.name = "unit.condition",
         .doc =
             "What has to hold, else a start is skipped, which is no failure. Every key is a list; "
             "\"!\" before a value negates it, of those with \"|\" before them one is enough; "
             "docs/CONDITIONS.md.",
         .keys = {},
         .plugin = "core"},
        {.name = "unit.assert",
         .doc = "What has to hold, else a start fails; the same keys.",
         .keys = {},
         .plugin = "core"},
        {.name = "service",
         .doc = "The program, and when it is started again. A unit without it is a target.",
         .keys = {},
         .plugin = "core"},
        {.name = "health",
         .doc = "Whether the service does its work, asked again and again while it is up; "
                "docs/HEALTH.md.",
         .keys = {},
         .plugin = "core"},
        {.name = "socket",
         .doc = "What the unit listens on, whether its program runs or not; docs/SOCKETS.md.",
         .keys = {},
         .plugin = "core"},
        {.name = "timer",
         .doc = "When the unit is run. A start of the unit lets it wait for its times; "
                "docs/TIMERS.md.",
         .keys = {},
         .plugin = "core"},
        {.name = "job",
         .doc = "What `jailsvc run` makes: a unit that goes when it is over; docs/JOBS.md.",
         .keys = {},
         .plugin = "core"},
        {.name = "environment",
         .doc =
             "The program's environment. Besides: PATH, USER, HOME, JAILSVC_UNIT, INVOCATION_ID, "
             "STATE_DIRECTORY and its like; MAINPID for the unit's commands.",
         .keys = {},
         .plugin = "core"},
        {.name = "logging",
         .doc = "What becomes of the program's output.",
         .keys = {},
         .plugin = "core"},
        {.name = "install", .doc = "What enabling the unit does.", .keys = {}, .plugin = "core"},
        {.name = "jail",
         .doc = "Which jail the service gets; [jail.*] says what it may touch.",
         .keys = {},
         .plugin = "core"},
    };
    for (const CoreKey& row : core_keys()) {
        const auto table = std::find_if(schema.tables.begin(), schema.tables.end(),
                                        [&](const Table& one) { return one.name == row.table; });
        table->keys.push_back(row.key);
    }
    return schema;
}

}  // namespace

bool is_schema_name(std::string_view name) {
    constexpr std::size_t kMost = 31;  // as the plugin interface has it
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    return !name.empty() && name.size() <= kMost && name[0] >= 'a' && name[0] <= 'z' &&
           std::all_of(name.begin(), name.end(), good);
}

bool is_shipped_plugin(std::string_view name) {
    return std::ranges::find(kShippedPlugins, name) != kShippedPlugins.end();
}

const Table* Schema::find(std::string_view table) const {
    const auto found = std::find_if(tables.begin(), tables.end(),
                                    [&](const Table& one) { return one.name == table; });
    return found == tables.end() ? nullptr : &*found;
}

const Key* Schema::find_key(std::string_view table, std::string_view key) const {
    const Table* owner = find(table);
    if (owner == nullptr) return nullptr;
    const auto found = std::find_if(owner->keys.begin(), owner->keys.end(),
                                    [&](const Key& one) { return one.name == key; });
    return found == owner->keys.end() ? nullptr : &*found;
}

const Schema& core_schema() {
    static const Schema kSchema = make_core_schema();
    return kSchema;
}

}  // namespace jailsvc::config
