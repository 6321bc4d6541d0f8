#include "config/schema.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/core_keys.hpp"
#include "config/explain.hpp"
#include "config/schema_text.hpp"
#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

std::vector<Table> plugin_tables() {
    std::vector<Table> out;
    for (const Table& table : test_schema().tables) {
        if (table.name.starts_with("jail.")) out.push_back(table);
    }
    return out;
}

std::string explain(std::string_view name) {
    return to_text(look_up(test_schema(), name).value());
}

/// A valid table as JSON, with one member replaced.
std::string table_json(const std::string& member, const nlohmann::json& value) {
    nlohmann::json table = {{"name", "jail.x"},
                            {"doc", "d"},
                            {"plugin", "x"},
                            {"keys", nlohmann::json::array({{{"name", "k"},
                                                             {"type", "string"},
                                                             {"default", ""},
                                                             {"doc", ""},
                                                             {"choices", {"a"}}}})}};
    const nlohmann::json::json_pointer place(member);
    if (!member.empty()) table[place] = value;
    return nlohmann::json::array({table}).dump();
}

}  // namespace

TEST_CASE("schema: every core key is described, and defaults come from the struct", "[config]") {
    for (const Table& table : core_schema().tables) {
        INFO(table.name);
        CHECK_FALSE(table.doc.empty());
        CHECK_FALSE(table.keys.empty());
        for (const Key& key : table.keys) {
            INFO(key.name);
            CHECK(key.doc.size() > 10);
            CHECK(key.doc.back() == '.');
        }
    }
    CHECK(core_schema().find_key("service", "restart_delay")->fallback == "\"100ms\"");
    CHECK(core_schema().find_key("service", "timeout_stop")->fallback == "\"1min 30s\"");
    CHECK(core_schema().find_key("service", "kill_signal")->fallback == "\"SIGTERM\"");
    CHECK(core_schema().find_key("unit", "start_limit_burst")->fallback == "5");
    CHECK(core_schema().find_key("service", "restart")->choices.size() == 8);
    CHECK(core_schema().find("build") == nullptr);
}

TEST_CASE("schema: a written default means what an absent key means", "[config]") {
    const UnitTree tree;
    const std::string base = "[service]\nexec_start = [\"/bin/x\"]\n";
    tree.write("etc/plain.toml", base);
    const Unit plain = loaded(tree, "plain");
    for (const CoreKey& row : core_keys()) {
        if (row.key.fallback.empty() || !row.store) continue;
        INFO(row.table << "." << row.key.name);
        if (row.table == "socket") {  // whose other keys mean nothing without addresses
            tree.write("etc/written.toml", base + "[socket]\nlisten = [\"tcp:80\"]\n" +
                                               row.key.name + " = " + row.key.fallback + "\n");
        } else if (row.table == "health") {  // likewise without a check
            tree.write("etc/written.toml", base + "[health]\ntcp = \"80\"\n" + row.key.name +
                                               " = " + row.key.fallback + "\n");
            HealthTable health;
            health.tcp = "80";
            CHECK(*loaded(tree, "written").health == health);
            continue;
        } else if (row.table == "job") {  // likewise without keep
            tree.write("etc/written.toml", base + "[job]\nkeep = \"1h\"\n" + row.key.name + " = " +
                                               row.key.fallback + "\n");
        } else if (row.table == "timer") {  // likewise without times
            const std::string other = row.key.name == "on_boot" ? "every = 5\n" : "on_boot = 5\n";
            tree.write("etc/written.toml",
                       base + "[timer]\n" + other + row.key.name + " = " + row.key.fallback + "\n");
            const Unit written = loaded(tree, "written");
            const TimerTable& timer = *written.timer;
            const bool by_boot = row.key.name != "on_boot";
            CHECK(timer.every == (by_boot ? kForever : std::chrono::seconds(5)));
            CHECK(timer.on_boot == (by_boot ? std::chrono::seconds(5) : kForever));
            CHECK(timer.on_active == kForever);
            CHECK(timer.jitter == Duration{});
            CHECK_FALSE(timer.persistent);
            continue;
        } else if (row.table == "service") {
            tree.write("etc/written.toml", base + row.key.name + " = " + row.key.fallback + "\n");
        } else {
            tree.write("etc/written.toml",
                       row.table + "." + row.key.name + " = " + row.key.fallback + "\n" + base);
        }
        const Unit written = loaded(tree, "written");
        CHECK(written.service.timeout_start == plain.service.timeout_start);
        CHECK(written.service.restart_delay == plain.service.restart_delay);
        CHECK(written.service.restart_delay_max == plain.service.restart_delay_max);
        CHECK(written.service.restart_reset_after == plain.service.restart_reset_after);
        CHECK(written.service.timeout_stop == plain.service.timeout_stop);
        CHECK(written.service.kill_signal == plain.service.kill_signal);
        CHECK(written.service.kill_mode == plain.service.kill_mode);
        CHECK(written.service.restart == plain.service.restart);
        CHECK(written.service.type == plain.service.type);
        CHECK(written.service.remain_after_exit == plain.service.remain_after_exit);
        CHECK(written.unit.start_limit_burst == plain.unit.start_limit_burst);
        CHECK(written.unit.start_limit_interval == plain.unit.start_limit_interval);
        CHECK(*written.logging == *plain.logging);
        SocketTable socket;
        if (row.table == "socket") socket.listen = {"tcp:80"};
        CHECK(*written.socket == socket);
        CHECK(written.jail.profile == plain.jail.profile);
    }
}

TEST_CASE("schema: plugin tables survive the way through JSON", "[config]") {
    const auto tables = tables_from_json(to_json(plugin_tables()));
    REQUIRE(tables.has_value());
    CHECK(to_json(*tables) == to_json(plugin_tables()));
    REQUIRE(tables->size() == 3);
    CHECK(tables->front().keys[3].type == KeyType::kStringMap);
    CHECK(tables->back().keys.front().choices == std::vector<std::string>{"host", "directory"});
}

TEST_CASE("schema: hostile JSON is refused with a reason", "[config]") {
    REQUIRE(
        tables_from_json(table_json("", {})).has_value());  // the control: unchanged, it is good
    const std::pair<const char*, nlohmann::json> replaced[] = {
        {"/name", "service"},
        {"/name", "jail.profile"},
        {"/name", "jail.X"},
        {"/name", "jail."},
        {"/name", "jail.a.b.c"},
        {"/name", 7},
        {"/name", nullptr},
        {"/plugin", ""},
        {"/plugin", "../x"},
        {"/doc", "a\033[2Jb"},
        {"/doc", std::string(600, 'x')},
        {"/keys", 1},
        {"/keys/0", 1},
        {"/keys/0/name", "K"},
        {"/keys/0/name", std::string(32, 'k')},
        {"/keys/0/type", "float"},
        {"/keys/0/choices", "a"},
        {"/keys/0/choices/0", 1},
        {"/keys/0/default", 1},
    };
    for (const auto& [member, value] : replaced) {
        INFO(member << " = " << value.dump());
        const auto tables = tables_from_json(table_json(member, value));
        REQUIRE_FALSE(tables.has_value());
        CHECK(tables.error().code == EBADMSG);
        CHECK(tables.error().message.size() < 400);
    }
    for (const std::string& text :
         {std::string(), std::string("{}"), std::string("[1]"), std::string("[{}"),
          std::string(100'000, '['), std::string(2U << 20, ' '), std::string("[\"\xff\"]")}) {
        CHECK_FALSE(tables_from_json(text).has_value());
    }
    std::string twice = table_json("", {});
    const std::string table = twice.substr(1, twice.size() - 2);
    twice.insert(1, table).insert(1 + table.size(), 1, ',');
    CHECK(tables_from_json(twice).error().message == "schema: table [jail.x] twice");
}

TEST_CASE("schema: truncated and changed JSON never crashes the reader", "[config]") {
    const std::string good = to_json(plugin_tables());
    for (std::size_t length = 0; length < good.size(); ++length) {
        CHECK_FALSE(tables_from_json(good.substr(0, length)).has_value());
    }
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::string changed = good;
        changed[at] = static_cast<char>(changed[at] ^ 0x55);
        (void)tables_from_json(changed);
    }
}

TEST_CASE("schema: explain tells about tables and keys", "[config]") {
    CHECK(explain("service.restart_delay") ==
          "service.restart_delay  Wait before the first restart; doubles with each further one.\n"
          "  value:   duration\n"
          "  default: \"100ms\"\n");
    CHECK(explain("jail.chroot.mode") ==
          "jail.chroot.mode  Mode.\n"
          "  value:   \"host\" or \"directory\"\n"
          "  plugin:  chroot\n");
    CHECK(explain("logging").starts_with("[logging]  "));
    CHECK(look_up(test_schema(), "service.restrat").error().message ==
          "\"service.restrat\": no such table or key; did you mean \"service.restart\"?");
    CHECK(look_up(test_schema(), "").error().code == ENOENT);
}

TEST_CASE("schema: the end of a name is enough, and all names that end so are told", "[config]") {
    CHECK(explain("restart_delay") == explain("service.restart_delay"));
    CHECK(explain("chroot.mode") == explain("jail.chroot.mode"));
    const std::string all = explain("chroot");
    CHECK(all == explain("jail.chroot"));
    // A whole name is that alone, though others end so.
    CHECK(explain("jail").starts_with("[jail]  "));
    CHECK(look_up(test_schema(), "restrat_delay")
              .error()
              .message.ends_with("did you mean \"restart_delay\"?"));
    const auto json = nlohmann::json::parse(to_json(look_up(test_schema(), "restart").value()));
    REQUIRE(json["keys"].size() == 1);
    CHECK(json["keys"][0]["name"] == "service.restart");
    CHECK(json["keys"][0]["default"] == "\"no\"");
    CHECK(json["keys"][0]["choices"].size() == 8);
    const auto tables = nlohmann::json::parse(to_json(all_tables(test_schema())));
    CHECK(tables["tables"].size() == test_schema().tables.size());
}

TEST_CASE("schema: Markdown and JSON Schema name every key", "[config]") {
    const std::string markdown = to_markdown(test_schema());
    const auto json = nlohmann::json::parse(json_schema(test_schema()));
    for (const Table& table : test_schema().tables) {
        CHECK(markdown.find("## `[" + table.name + "]`") != std::string::npos);
        std::string pointer = "/properties/" + table.name;
        if (const auto dot = pointer.find('.'); dot != std::string::npos) {
            pointer.replace(dot, 1, "/properties/");
        }
        for (const Key& key : table.keys) {
            INFO(table.name << "." << key.name);
            CHECK(markdown.find("| `" + key.name + "` |") != std::string::npos);
            CHECK(json.contains(nlohmann::json::json_pointer(pointer + "/properties/" + key.name)));
        }
        CHECK(json.at(nlohmann::json::json_pointer(pointer + "/additionalProperties")) == false);
    }
    CHECK(json["properties"]["service"]["properties"]["restart"]["enum"].size() == 8);
}
