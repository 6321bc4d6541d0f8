// Plans made in the sandboxed worker, and what becomes of plugins that misbehave there.

#include <fstream>

#include "../../plugins/prisoner_attempts.h"
#include "jailer/plugin/refusal.hpp"
#include "plugin_files.hpp"

namespace {

using namespace jailsvc;
using namespace jailsvc::jailer;
using namespace jailsvc::test;

std::string error_of(PluginHost& host, const std::string& text) {
    const auto plan = plan_of(host, unit_of(text));
    REQUIRE_FALSE(plan);
    return plan.error().message;
}

}  // namespace

TEST_CASE("worker: a plugin reads its own table, type by type", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    PluginHost host = directory.load();
    const auto plan = plan_of(host, unit_of("[jail.good]\n"
                                            "bytes = \"64K\"\nflag = true\nlist = [\"a\", \"b\"]\n"
                                            "number = 42\ntext = \"hi\"\ntime = \"2s\"\n"
                                            "[jail.good.map]\nKEY = \"value\"\n"
                                            "[jail.other]\nuser = \"www\"\n"));
    REQUIRE(plan);
    CHECK(plan->unit == "web");
    for (const char* told :
         {"TEXT=hi", "LAST=b", "KEY=value", "OTHER=www", "STATE=/srv/state", "FLAG=1", "NUMBER=42",
          "BYTES=65536", "TIME=2000000000", "MISUSE=22", "NO_KEY=22", "UNIT=web", "DAEMON=found",
          "HAS_LIST=1", "HAS_NOTHING=22", "PROFILE=default"}) {
        INFO(told);
        CHECK(has(*plan, told));
    }
}

TEST_CASE("worker: an empty list is told from an absent one", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    PluginHost host = directory.load();
    const auto empty = plan_of(host, unit_of("[jail.good]\nlist = []\n"));
    const auto absent = plan_of(host, unit_of("[jail.good]\n"));
    REQUIRE(empty);
    REQUIRE(absent);
    CHECK(has(*empty, "HAS_LIST=1"));
    CHECK(has(*absent, "HAS_LIST=0"));
}

TEST_CASE("worker: absent keys are absent, and the unit's other tables stay unseen", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    PluginHost host = directory.load();
    const auto plan = plan_of(host, unit_of("[service]\ntext = \"core's\"\n"));
    REQUIRE(plan);
    for (const std::string& entry : plan->environment) CHECK_FALSE(entry.starts_with("TEXT="));
    CHECK(has(*plan, "UNIT=web"));
}

TEST_CASE("worker: a plugin refuses a unit by file, table and key", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    PluginHost host = directory.load();
    CHECK(error_of(host, "[jail.good]\ntext = \"!\"\n") ==
          "/etc/jailsvc/units/web.toml: [jail.good] text: must not begin with '!'");
}

TEST_CASE("worker: a refusal is told where the key was written", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    PluginHost host = directory.load();
    const config::JailPlaces places = {
        {"jail.good", {.file = "/u/web.toml", .line = 3, .column = 2, .source = "[jail.good]"}},
        {"jail.good.text",
         {.file = "/u/web.toml", .line = 4, .column = 8, .source = "text = \"!\""}}};
    auto job = host.begin_plan(unit_of("[jail.good]\ntext = \"!\"\n"), places);
    REQUIRE(job);
    REQUIRE(ends_within(*job, 20000));
    SECTION("with the line and a caret") {
        const auto plan = host.finish_checked(std::move(*job));
        REQUIRE_FALSE(plan);
        REQUIRE(plan.error().size() == 1);
        CHECK(config::to_string(plan.error().front()) ==
              "/u/web.toml:4:8: [jail.good] text: must not begin with '!'\n"
              "  text = \"!\"\n"
              "         ^");
    }
    SECTION("in one line") {
        const auto plan = host.finish_plan(std::move(*job));
        REQUIRE_FALSE(plan);
        CHECK(plan.error().message == "/u/web.toml:4:8: [jail.good] text: must not begin with '!'");
    }
}

TEST_CASE("worker: a plugin that refuses does not silence the next", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    directory.add("wrong_op");
    PluginHost host = directory.load();
    const std::string text = "[jail.good]\ntext = \"!\"\n";
    auto job = host.begin_plan(unit_of(text));
    REQUIRE(job);
    REQUIRE(ends_within(*job, 20000));
    const auto plan = host.finish_checked(std::move(*job));
    REQUIRE_FALSE(plan);
    REQUIRE(plan.error().size() == 2);
    CHECK(plan.error()[1].message == "wrong: chdir: path \"../etc\" is not an absolute path");
    CHECK(error_of(host, text) ==
          "/etc/jailsvc/units/web.toml: [jail.good] text: must not begin with '!' (and 1 more: "
          "jailsvc verify /etc/jailsvc/units/web.toml)");
}

TEST_CASE("worker: an environment file that is missing does not silence the plugins", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    PluginHost host = directory.load();
    config::Unit unit = unit_of("[jail.good]\ntext = \"!\"\n");
    unit.environment = config::EnvironmentTable{.set = {}, .file = {"/no/such.env"}};
    auto job = host.begin_plan(unit);
    REQUIRE(job);
    REQUIRE(ends_within(*job, 20000));
    const auto plan = host.finish_checked(std::move(*job));
    REQUIRE_FALSE(plan);
    REQUIRE(plan.error().size() == 2);
    CHECK(plan.error()[0].message.starts_with("environment.file: /no/such.env: "));
    CHECK(plan.error()[1].message == "[jail.good] text: must not begin with '!'");

    unit = unit_of("");
    unit.environment = config::EnvironmentTable{.set = {}, .file = {"/no/such.env"}};
    const auto other = plan_of(host, unit);
    REQUIRE_FALSE(other);
    CHECK(other.error().message.find("environment.file: /no/such.env: ") != std::string::npos);
}

TEST_CASE("worker: refusals come back whole, and of garbage only what reads as such", "[plugins]") {
    const std::vector<Refusal> refusals = {{"jail.a", "key", "why; cure"}, {"", "", "a: broken"}};
    const std::string bytes = pack(refusals);
    CHECK(unpack(bytes) == refusals);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK(unpack(std::string_view(bytes).substr(0, size)).size() < refusals.size());
    }
    CHECK(unpack(std::string(9999, '\0')).size() == kMaxRefusals);
    CHECK(first_of({}, "/u/web.toml").message == "/u/web.toml: refused without a reason");
}

TEST_CASE("worker: the file to verify is the unit's own", "[plugins]") {
    config::Unit unit;
    unit.name = "w@1";
    unit.files = {SharedPath("/p/default.toml"), SharedPath("/u/w@.toml"),
                  SharedPath("/u/w@.toml.d/10.toml")};
    CHECK(own_file(unit) == "/u/w@.toml");
    unit.files = {};
    CHECK(own_file(unit) == "w@1");
}

TEST_CASE("worker: a wrong operation fails the plan even if the plugin goes on", "[plugins]") {
    const PluginDirectory directory;
    directory.add("wrong_op");
    PluginHost host = directory.load();
    CHECK(error_of(host, "") == "wrong: chdir: path \"../etc\" is not an absolute path");
}

TEST_CASE("worker: operations are optional where the unit says so", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    PluginHost host = directory.load();
    const auto optional_of = [&](std::vector<std::string> entries) {
        config::Unit unit = unit_of("");
        unit.jail.optional = std::move(entries);
        const auto plan = plan_of(host, unit);
        REQUIRE(plan);
        for (const Op& op : plan->ops) {
            if (op.plugin == "good") return op.optional;
        }
        FAIL("the plugin added nothing");
        return false;
    };
    CHECK_FALSE(optional_of({}));
    CHECK_FALSE(optional_of({"good.list", "goo", "crash"}));
    CHECK(optional_of({"good.text"}));
    CHECK(optional_of({"good"}));
}

TEST_CASE("worker: the core adds session, scheduling, directory and environment", "[plan]") {
    const PluginDirectory directory;
    PluginHost host = directory.load();
    const std::string file = directory.path() + "/env";
    std::ofstream(file) << "# comment\n\nFROM_FILE = \"secret value\"\nPORT=81\n";
    config::Unit unit = unit_of("");
    unit.service.nice = -5;
    unit.service.oom_score_adjust = 100;
    unit.service.working_directory = "/srv";
    unit.environment = config::EnvironmentTable{
        .set = {{"PORT", "80"}, {"SET", "x"}}, .file = {file}, .pass = {"HOME"}};
    ::setenv("HOME", "/home/test", 1);
    const auto plan = plan_of(host, unit);
    REQUIRE(plan);
    for (const char* entry : {"PORT=81", "SET=x", "FROM_FILE=secret value", "HOME=/home/test"}) {
        INFO(entry);
        CHECK(has(*plan, entry));
    }
    CHECK(plan->environment.size() == 6);  // with PATH and JAILSVC_UNIT
    const std::string shown = to_json(*plan);
    CHECK(shown.find("secret value") == std::string::npos);
    CHECK(shown.find("81") == std::string::npos);          // from the file, over `set`
    CHECK(shown.find("/home/test") == std::string::npos);  // of the supervisor's own environment
    CHECK(shown.find("SET=x") != std::string::npos);
    std::string kinds;
    for (const Op& op : plan->ops) {
        if (op.kind != JSV_OP_ENVIRONMENT) kinds += std::string(find_kind(op.kind)->name) + " ";
    }
    CHECK(kinds == "session nice oom_score_adjust chdir ");

    SECTION("an environment file that others can write is refused") {
        ::chmod(file.c_str(), 0666);
        CHECK_FALSE(plan_of(host, unit));
    }
    SECTION("a line without '=' is named by its place") {
        std::ofstream(file) << "A=1\nnonsense\n";
        const auto refused = plan_of(host, unit);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message == "environment.file: " + file + ":2: no NAME=VALUE");
    }
}

TEST_CASE("worker: a crash costs one start, three in a row the plugin", "[plugins]") {
    const PluginDirectory directory;
    directory.add("crash");
    directory.add("good");
    PluginHost host = directory.load();
    const std::string crashing = "[jail.crash]\nflag = true\n";
    CHECK(error_of(host, crashing).find("crash: plugin crashed (Segmentation fault)") == 0);
    REQUIRE(plan_of(host, unit_of("")));  // control: a success begins the count anew
    for (int i = 0; i < 2; ++i)
        CHECK(error_of(host, crashing).find("quarantine") == std::string::npos);
    CHECK(error_of(host, crashing).find("in quarantine from now on") != std::string::npos);
    const auto refused = host.begin_plan(unit_of(crashing));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("crash: in quarantine after 3 crashes") == 0);
    // Units that do not use its table go on, before and after.
    for (int i = 0; i < 2; ++i) {
        const auto other = plan_of(host, unit_of(""));
        REQUIRE(other);
        CHECK(has(*other, "UNIT=web"));
        CHECK(has(*other, "CRASH=no"));
    }
    CHECK_FALSE(host.begin_plan(unit_of(crashing)));
}

TEST_CASE("worker: a plugin that waits is given up and named", "[plugins]") {
    const PluginDirectory directory;
    directory.add("hang");
    PluginHost host = directory.load();
    auto job = host.begin_plan(unit_of(""));
    REQUIRE(job);
    REQUIRE_FALSE(ends_within(*job, 300));  // it hangs indeed
    const auto plan = host.finish_plan(std::move(*job));
    REQUIRE_FALSE(plan);
    CHECK(plan.error().message.find("hang: plugin did not finish within 5 s") == 0);
}

TEST_CASE("worker: a plugin that spins runs out of processor time", "[plugins]") {
    const PluginDirectory directory;
    directory.add("hang");
    PluginHost host = directory.load();
    CHECK(error_of(host, "[jail.hang]\nflag = true\n")
              .find("hang: plugin crashed (used up its processor time)") == 0);
}

TEST_CASE("worker: a dropped job ends its worker", "[plugins]") {
    const PluginDirectory directory;
    directory.add("hang");
    PluginHost host = directory.load();
    Fd pidfd;
    {
        auto job = host.begin_plan(unit_of(""));
        REQUIRE(job);
        auto copy = sys::duplicate(job->fd());
        REQUIRE(copy);
        pidfd = std::move(*copy);
    }
    CHECK_FALSE(sys::pidfd_signal(pidfd.get(), 0));
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("worker: a plugin that eats memory is stopped and named", "[plugins]") {
    const PluginDirectory directory;
    directory.add("hungry");
    PluginHost host = directory.load();
    CHECK(error_of(host, "").find("hungry: plugin ran out of memory") == 0);
}
#endif

TEST_CASE("worker: a plugin that ends the worker yields no plan", "[plugins]") {
    const PluginDirectory directory;
    directory.add("leaver");
    PluginHost host = directory.load();
    CHECK(error_of(host, "").find("leaver: plugin ended without a result") == 0);
}

TEST_CASE("worker: the sandbox holds what the same code can do outside", "[plugins][S2.10]") {
    const PluginDirectory directory;
    directory.add("prisoner");
    PluginHost host = directory.load();
    const Fd inherited(::open("/dev/null", O_RDONLY));  // without close-on-exec
    const auto plan = plan_of(host, unit_of(""));
    REQUIRE(plan);
    for (const attempt* trial = kAttempts; trial->name != nullptr; ++trial) {
        INFO(trial->name);
        CHECK(trial->run() == 0);  // negative control
        CHECK(has(*plan, std::string(trial->name) + "=refused"));
    }
}
