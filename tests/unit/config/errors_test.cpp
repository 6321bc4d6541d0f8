#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <random>

#include "config/load.hpp"
#include "config/raw.hpp"
#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

std::string verified(const std::string& text, const std::string& name = "web.toml") {
    return told(verify_text(test_schema(), name, text));
}

/// A [service] that is good but for what is added to it.
std::string service(const std::string& line) {
    return "[service]\nexec_start = [\"/bin/x\"]\n" + line + "\n";
}

constexpr const char* kSample = R"([unit]
description = "sample é %n"
requires = ["db", "cache@1"]
start_limit_interval = "1min 30s"
[service]
type = "exec"
exec_start = ["/bin/sh", "-c", """
echo \"hi\" \
   there
"""]
exec_stop = [["/bin/a"], ["/bin/b", 'x']]
restart = "on-failure"   # comment "with quotes
success_exit_status = [1, 2]
[environment]
set = { A = "1", "B" = "2" }
[jail]
profile = "default"
optional = ["chroot.binds"]
[jail.identity.limits]
nofile = 1024
[jail.chroot]
binds = ["/a:/b"]
tmp_size = 1048576
grace = 0.5
)";

}  // namespace

TEST_CASE("errors: the table that was meant is suggested, short or cut as it is written",
          "[config]") {
    const auto told = [](const std::string& table) {
        const auto found = verify_text(core_schema(), "web.toml", table + "\n");
        return found.empty() ? std::string() : found.front().message;
    };
    CHECK(told("[jale]").ends_with("did you mean [jail]?"));
    CHECK(told("[log]").ends_with("did you mean [logging]?"));
    CHECK(told("[servce]").ends_with("did you mean [service]?"));
    CHECK(told("[zzzz]").ends_with("not known by this build"));
}

TEST_CASE("config: each mistake is told with its place and its cure", "[config]") {
    struct Case {
        std::string text;
        const char* told;
    };
    const Case cases[] = {
        {"[service]\nrestart = \"allways\"\nexec_start = [\"/bin/x\"]\n",
         "web.toml:2:11: restart: unknown value \"allways\"; use \"no\", \"on-success\", "
         "\"on-failure\", \"on-abnormal\", \"on-abort\", \"on-watchdog\", \"always\" or "
         "\"unless-stopped\"\n"},
        {service("restrat = \"no\""),
         "web.toml:3:1: restrat: key of [service] not known by this build; did you mean "
         "\"restart\"?\n"},
        {service("start_limit_burst = 3"),
         "web.toml:3:1: start_limit_burst: key of [service] not known by this build; it belongs in "
         "[unit]\n"},
        {service("[install]\nalso = [\"x\"]"),
         "web.toml:4:1: also: key of [install] not known by this build\n"},
        {service("[servcie]"),
         "web.toml:3:2: [servcie]: table not known by this build; did you mean [service]?\n"},
        {service("[build]\nfrom = \"x\""),
         "web.toml:3:2: [build]: table not known by this build\n"},
        {service("[jail.cgroups]\nmemory_max = 1"),
         "web.toml:3:7: [jail.cgroups]: table not known by this build\n"},
        {service("[\"jail.chroot\"]"),
         "web.toml:3:2: [jail.chroot]: table not known by this build; did you mean "
         "[jail.chroot]?\n"},
        {service("restart = true"), "web.toml:3:11: restart: expected a string, found a boolean\n"},
        {service("nice = \"5\""), "web.toml:3:8: nice: expected an integer, found a string\n"},
        {service("nice = 20"), "web.toml:3:8: nice: 20 is out of range; use -20 to 19\n"},
        {service("oom_score_adjust = 9223372036854775807"),
         "web.toml:3:20: oom_score_adjust: 9223372036854775807 is out of range; use -1000 to "
         "1000\n"},
        {service("success_exit_status = [1, 256]"),
         "web.toml:3:23: success_exit_status: 256 is out of range; use 1 to 255\n"},
        {service("restart_delay = \"5 parsecs\""),
         "web.toml:3:17: restart_delay: \"5 parsecs\" is no duration; write \"200ms\", \"1min "
         "30s\", \"infinity\" or a number of seconds\n"},
        {service("restart_delay = nan"),
         "web.toml:3:17: restart_delay: expected a duration (\"200ms\", or a number of seconds), "
         "found a floating-point number\n"},
        {service("restart_delay = -1"),
         "web.toml:3:17: restart_delay: \"-1s\" is no duration; write \"200ms\", \"1min 30s\", "
         "\"infinity\" or a number of seconds\n"},
        {service("restart_delay = 9223372036854775807"),
         "web.toml:3:17: restart_delay: \"9223372036854775807s\" is too long; use \"infinity\" for "
         "no limit\n"},
        {service("timeout_stop = 0"),
         "web.toml:3:16: timeout_stop: must be longer than 0; use \"infinity\" for no limit\n"},
        {service("kill_signal = \"SIGFOO\""),
         "web.toml:3:15: kill_signal: \"SIGFOO\" is no signal; write \"SIGTERM\", \"SIGUSR1\" or "
         "\"SIGRTMIN+3\"\n"},
        {service("success_signals = [\"USR1\", \"X\"]"),
         "web.toml:3:28: success_signals: \"X\" is no signal; write \"SIGTERM\", \"SIGUSR1\" or "
         "\"SIGRTMIN+3\"\n"},
        {service("working_directory = \"srv\""),
         "web.toml:3:21: working_directory: \"srv\" must be an absolute path without \"..\"\n"},
        {service("working_directory = \"/srv/../etc\""),
         "web.toml:3:21: working_directory: \"/srv/../etc\" must be an absolute path without "
         "\"..\"\n"},
        {service("type = \"oneshot\"\nrestart = \"always\""),
         "web.toml:4:11: restart: \"always\" would run a oneshot again and again; use \"no\", "
         "\"on-failure\" or \"on-abnormal\"\n"},
        {service("notify_fd = 3"), "web.toml:3:13: notify_fd: is for type = \"notify_fd\"\n"},
        {service("pid_file = \"/run/x\""), "web.toml:3:12: pid_file: is for type = \"forking\"\n"},
        {service("type = \"notify_fd\""),
         "web.toml:3:8: type: \"notify_fd\" needs notify_fd, the descriptor's number: 3 or "
         "more\n"},
        {service("type = \"oneshot\"\nwatchdog = \"1s\""),
         "web.toml:4:12: watchdog: a oneshot has none; use timeout_start\n"},
        {"[service]\nnice = 1\n",
         "web.toml:1:2: exec_start: missing; [service] needs the program to run\n"},
        {"[service]\nexec_start = \"/bin/x\"\n",
         "web.toml:2:14: exec_start: expected an array of strings ([\"/usr/bin/true\", \"-x\"]), "
         "found a string\n"},
        {"[service]\nexec_start = []\n",
         "web.toml:2:14: exec_start: a command needs a program; write [\"/usr/bin/true\"]\n"},
        {"[service]\nexec_start = [\"x\"]\n",
         "web.toml:2:15: exec_start: the program \"x\" must be an absolute path; no shell or PATH "
         "is searched\n"},
        {"[service]\nexec_start = [[\"/bin/x\"], [\"/bin/y\"]]\n",
         "web.toml:2:15: exec_start: expected a string, found an array\n"
         "web.toml:2:27: exec_start: expected a string, found an array\n"},
        {service("exec_stop = [[\"/bin/x\"], [\"y\"]]"),
         "web.toml:3:27: exec_stop: the program \"y\" must be an absolute path; no shell or PATH "
         "is "
         "searched\n"},
        {service("exec_stop = [\"/bin/x\", \"a\\u0000b\"]"),
         "web.toml:3:24: exec_stop: \"a?b\" has a control character in it; remove it\n"},
        {service("working_directory = \"/a\\nb\""),
         "web.toml:3:21: working_directory: \"/a?b\" has a control character in it; remove it\n"},
        {"[unit]\nafter = [\"a\", \"b/../c\"]\n",
         "web.toml:2:15: after: \"b/../c\" is no name of a unit; use letters, digits and :_.- with "
         "at most one @, 127 bytes\n"},
        {"[unit]\ndescription = \"%x\"\n",
         "web.toml:2:15: unknown specifier \"%x\"; use %i %I %n %p %u %t %S, or %% for a percent "
         "sign\n"},
        {"[unit]\ndescription = \"all in %\"\n",
         "web.toml:2:15: a lone % at the end; write %% for a percent sign\n"},
        {"[unit]\ndocumentation = [\"a\", \"%i\"]\n",
         "web.toml:2:23: %i stands for nothing: the unit is no instance of a template\n"},
        {service("[environment.set]\n\"A=B\" = \"c\""),
         "web.toml:4:9: set: \"A=B\" is no name of a variable; use letters, digits and _, not a "
         "digit first, at most 127 bytes\n"},
        {service("[environment]\nset = { A = 1.5 }"),
         "web.toml:4:13: set.A: expected a string, found a floating-point number\n"},
        {service("[environment]\nset = { A = 1, B = true, C = \"c\" }"),
         "web.toml:4:13: set.A: expected a string, found an integer\n"
         "web.toml:4:20: set.B: expected a string, found a boolean\n"},
        {service("[jail.identity]\nlimits = { nofile = true, nproc = 7 }"),
         "web.toml:4:21: limits.nofile: expected a string or an integer, found a boolean\n"},
        // Every bad entry of a list, whatever is bad about it.
        {service("success_exit_status = [300, \"a\", 2]"),
         "web.toml:3:23: success_exit_status: 300 is out of range; use 1 to 255\n"
         "web.toml:3:29: success_exit_status: expected an integer, found a string\n"},
        {service("[unit]\nafter = [1, \"a b\", \"c\\u0001\", true]"),
         "web.toml:4:10: after: expected a string, found an integer\n"
         "web.toml:4:13: after: \"a b\" is no name of a unit; use letters, digits and :_.- with at "
         "most one @, 127 bytes\n"
         "web.toml:4:20: after: \"c?\" has a control character in it; remove it\n"
         "web.toml:4:31: after: expected a string, found a boolean\n"},
        {service("exec_stop = [[\"/bin/a\", 1], [\"b\"], [2]]"),
         "web.toml:3:25: exec_stop: expected a string, found an integer\n"
         "web.toml:3:30: exec_stop: the program \"b\" must be an absolute path; no shell or PATH "
         "is "
         "searched\n"
         "web.toml:3:37: exec_stop: expected a string, found an integer\n"},
        {service("[environment]\npass = [\"1A\"]"),
         "web.toml:4:9: pass: \"1A\" is no name of a variable; use letters, digits and _, not a "
         "digit first, at most 127 bytes\n"},
        {service("[jail]\ndriver = \"microvm\""),
         "web.toml:4:10: driver: unknown value \"microvm\"; use \"native\"\n"},
        {service("[jail]\nprofile = \"../x\""),
         "web.toml:4:11: profile: \"../x\" is no name of a profile; use letters, digits and _-\n"},
        {service("[jail]\noptional = [\"chrot\"]"),
         "web.toml:4:13: optional: \"chrot\": there is no table [jail.chrot]; did you mean "
         "\"chroot\"?\n"},
        {service("[jail]\noptional = [\"chroot.bind\"]"),
         "web.toml:4:13: optional: \"chroot.bind\": [jail.chroot] has no such key; did you mean "
         "\"chroot.binds\"?\n"},
        {service("[jail.chroot]\nmode = \"hots\""),
         "web.toml:4:8: mode: unknown value \"hots\"; use \"host\" or \"directory\"\n"},
        {service("[jail.identity]\nlimits = { nofile = true }"),
         "web.toml:4:21: limits.nofile: expected a string or an integer, found a boolean\n"},
        {service("jail = 5"), "web.toml:3:1: jail: key of [service] not known by this build\n"},
        {"unit = 5\n", "web.toml:1:8: unit: expected a table, found an integer\n"},
        {"[[unit]]\n", "web.toml:1:1: unit: expected a table, found an array\n"},
        {"[unit]\ndescription = 2020-01-01\n",
         "web.toml:2:15: description: expected a string, found a date or time\n"},
    };
    for (const Case& one : cases) {
        INFO(one.text);
        CHECK(verified(one.text) == one.told);
    }
}

TEST_CASE("config: all mistakes of a file are told at once, in its order", "[config]") {
    CHECK(verified("[unit]\nafter = \"db\"\n[service]\nexec_start = [\"x\"]\nrestart = \"maybe\"\n"
                   "nise = 4\n[jail.chroot]\nbinds = [1]\n") ==
          "web.toml:2:9: after: expected an array of strings, found a string\n"
          "web.toml:4:15: exec_start: the program \"x\" must be an absolute path; no shell or PATH "
          "is "
          "searched\n"
          "web.toml:5:11: restart: unknown value \"maybe\"; use \"no\", \"on-success\", "
          "\"on-failure\", \"on-abnormal\", \"on-abort\", \"on-watchdog\", \"always\" or "
          "\"unless-stopped\"\n"
          "web.toml:6:1: nise: key of [service] not known by this build; did you mean \"nice\"?\n"
          "web.toml:8:10: binds: expected a string, found an integer\n");
}

TEST_CASE("config: an error shows its line and a caret", "[config]") {
    const auto found = verify_text(test_schema(), "web.toml", service("  nice = 99 # é"));
    REQUIRE(found.size() == 1);
    CHECK(to_string(found[0]) ==
          "web.toml:3:10: nice: 99 is out of range; use -20 to 19\n"
          "    nice = 99 # é\n"
          "           ^");
    SECTION("without sending a terminal what the file hides in it") {
        Diagnostic hostile = found[0];
        hostile.file = "a\033[2J.toml";
        hostile.source = "  nice = 99 \033]0;x\a";
        CHECK(to_string(hostile).find('\033') == std::string::npos);
        CHECK(to_string(hostile).find('\a') == std::string::npos);
    }
    SECTION("syntax errors too") {
        const auto syntax = verify_text(test_schema(), "web.toml", "[unit]\ndescription = \n");
        REQUIRE(syntax.size() == 1);
        CHECK(to_string(syntax[0]).starts_with("web.toml:2:"));
        CHECK_FALSE(syntax[0].source.empty());
    }
}

TEST_CASE("config: the number of errors told is limited", "[config]") {
    std::string text = "[unit]\n";
    for (int i = 0; i < 50'000; ++i) text += fmt::format("key{} = 1\n", i);
    const auto found = verify_text(test_schema(), "web.toml", text);
    CHECK(found.size() == Reporter::kMaxDiagnostics + 1);
}

TEST_CASE("config: oversized and deeply nested files are refused before they cost", "[config]") {
    CHECK(verified(std::string(kMaxFileSize + 1, '#')) ==
          "web.toml: longer than 1048576 bytes; split it into drop-ins\n");
    const auto repeat = [](const char* part, int count) {
        std::string out;
        for (int i = 0; i < count; ++i) out += part;
        return out;
    };
    const std::string deep = "nested more than 16 levels deep\n";
    CHECK(verified(std::string("a = ").append(100'000, '[')) == "web.toml:1:21: " + deep);
    CHECK(verified(repeat("a.", 200'000) + "b = 1") == "web.toml:1:34: " + deep);
    CHECK(verified(repeat("[", 1) + repeat("a.", 200'000) + "b]") == "web.toml:1:35: " + deep);
    CHECK(verified("x = {" + repeat("\"a\".", 30) + "b = 1}").ends_with(deep));
    CHECK(verified("[unit]\ndescription = \"" + repeat(".[{", 500) + "\"\n").empty());
    CHECK(verified("[unit]\ndescription = '''\n" + repeat("'[.", 100) + "'''\n# " +
                   repeat("[.", 100) + "\n")
              .find("deep") == std::string::npos);

    std::string list = "[unit]\nafter = [";
    for (int i = 0; i < 1025; ++i) list += "\"a\",";
    CHECK(verified(list + "]") == "web.toml:2:9: after: more than 1024 entries\n");
}

/// UTF-8 of a character beyond ASCII and below U+10000.
std::string utf8(unsigned character) {
    const auto tail = [](unsigned bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
    if (character < 0x800) return {static_cast<char>(0xC0 | character >> 6), tail(character)};
    return {static_cast<char>(0xE0 | character >> 12), tail(character >> 6), tail(character)};
}

TEST_CASE("config: no character beyond ASCII crashes, wherever it stands", "[config]") {
    for (unsigned character = 0x80; character < 0x10000; character += 5) {
        const std::string text = utf8(character);
        for (const std::string& file :
             {text + "= 1\n", "[" + text + "]\n", "[unit]\nafter." + text + " = 1\n"}) {
            CHECK(!verify_text(test_schema(), "web.toml", file).empty());
        }
    }
}

TEST_CASE("config: truncated and changed files never crash", "[config]") {
    const std::string sample = kSample;
    REQUIRE(verified(sample).empty());
    for (std::size_t length = 0; length <= sample.size(); ++length) {
        (void)verify_text(test_schema(), "web.toml", sample.substr(0, length));
    }
    std::mt19937 random(20);  // NOLINT: the same mutations in every run
    for (int round = 0; round < 500; ++round) {
        std::string changed = sample;
        for (unsigned count = 1 + random() % 8; count > 0; --count) {
            const std::size_t at = random() % changed.size();
            switch (random() % 3) {
                case 0:
                    changed[at] = static_cast<char>(random() % 256);
                    break;
                case 1:
                    changed.erase(at, 1 + random() % 20);
                    break;
                default:
                    changed.insert(at, changed.substr(random() % changed.size(), 10));
                    break;
            }
            if (changed.empty()) changed.push_back('=');
        }
        for (const auto& one : verify_text(test_schema(), "web.toml", changed)) {
            CHECK_FALSE(to_string(one).empty());
        }
    }
}

TEST_CASE("config: files of every kind are checked by themselves", "[config]") {
    CHECK(verified(service("nice = 1")).empty());
    CHECK(verified("[service]\nnice = 1\n", "/etc/web.toml.d/10-nice.toml").empty());
    CHECK(verified("[unit]\ndescription = \"%i\"\n", "worker@.toml").empty());
    CHECK(verified("[jail.identity]\nuser = \"w%i\"\n", "/x/profiles/tight.toml").empty());
    CHECK(verified("[unit]\n[jail]\nprofile = \"x\"\noptional = [\"chroot\"]\n",
                   "/x/profiles/tight.toml") ==
          "/x/profiles/tight.toml:1:2: [unit]: a profile holds [jail.NAME] tables alone\n"
          "/x/profiles/tight.toml:3:11: profile: not in a profile; only a unit's own [jail] says "
          "it\n"
          "/x/profiles/tight.toml:4:12: optional: not in a profile; only a unit's own [jail] says "
          "it\n");
}
