#include <catch2/catch.hpp>

#include "import/command_line.hpp"
#include "import/compose.hpp"
#include "import/systemd.hpp"
#include "import/unit_text.hpp"

using namespace jailsvc;
using namespace jailsvc::import;
using Words = std::vector<std::string>;

namespace {

Words argv_of(const std::string& line) {
    const auto commands = parse_command_line(line);
    REQUIRE(commands);
    REQUIRE(commands->size() == 1);
    return commands->front().argv;
}

const ComposeContext kNowhere{"compose.yaml", "/srv",
                              [](const std::string& name) -> std::optional<std::string> {
                                  if (name == "SET") return "value";
                                  return std::nullopt;
                              }};

}  // namespace

TEST_CASE("import: words are quoted as systemd quotes them", "[import]") {
    CHECK(split_words("a  b\tc").value() == Words{"a", "b", "c"});
    CHECK(split_words(R"("a b" 'c d' e\x20f \101 "\"")").value() ==
          Words{"a b", "c d", "e f", "A", "\""});
    CHECK(split_words("it's").value() == Words{"it's"});
    CHECK(split_words("''").value() == Words{""});
    for (const char* wrong : {"\"open", "'open", "\\", "\\q", "\\x0", "\\000"}) {
        CAPTURE(wrong);
        CHECK_FALSE(split_words(wrong));
    }
}

TEST_CASE("import: lines go on, comments do not, and what is none is told", "[import]") {
    const auto found = parse_unit_text("x.service", "# a\n[S]\nA=1 \\\n; b\n  2\nB =\n");
    REQUIRE(found);
    REQUIRE(found->size() == 2);
    CHECK((*found)[0].value == "1  2");
    CHECK((*found)[0].place == "x.service:3");
    CHECK((*found)[1].key == "B");
    CHECK((*found)[1].value.empty());
    CHECK(parse_unit_text("x", "[S]\nnothing\n").error().message == "x:2: no \"Key=Value\"");
    CHECK(parse_unit_text("x", "A=b\\").value().front().value == "b");
}

TEST_CASE("import: a command with variables goes through a shell, quoted", "[import]") {
    CHECK(argv_of("/bin/a b $$c") == Words{"/bin/a", "b", "$c"});
    CHECK(argv_of("/bin/a it\\'s $OPTS ${ONE} x${TWO}y '$(z)'") ==
          Words{"/bin/sh", "-fc", "exec '/bin/a' 'it'\\''s' $OPTS \"${ONE}\" \"x${TWO}y\" '$(z)'"});
    CHECK(argv_of(":/bin/a $B") == Words{"/bin/a", "$B"});
    CHECK(argv_of("@/bin/a name b") == Words{"/bin/a", "b"});
    const auto several = parse_command_line("-/bin/a ; +/bin/b c");
    REQUIRE(several);
    CHECK(several->size() == 2);
    CHECK_FALSE(several->front().notes.empty());
    CHECK_FALSE(parse_command_line(""));
    CHECK_FALSE(parse_command_line("-"));
    CHECK_FALSE(parse_command_line("/bin/a %H"));
}

TEST_CASE("import: every directive has one fate", "[import][S0.19]") {
    Drafts drafts;
    REQUIRE(import_systemd_text("x.service",
                                "[Service]\nExecStart=/bin/x\nRestart=always\nType=dbus\n"
                                "RestartSec=soon\nUnheard=1\nLimitNOFILE=1K:infinity\n"
                                "[Unit]\nAfter=network.target y.service z.mount\n",
                                drafts));
    const Draft& draft = drafts.at("x");
    REQUIRE(draft.notes.size() == 8);  // and one for the missing User=
    CHECK(draft.notes[2].outcome == Outcome::kNoted);
    CHECK(draft.notes[3].outcome == Outcome::kLeftOut);
    CHECK(draft.notes[4].outcome == Outcome::kLeftOut);
    CHECK(draft.notes[5].outcome == Outcome::kTranslated);
    CHECK(draft.notes[6].outcome == Outcome::kNoted);
    const std::string text = to_file(draft, "x.service");
    CHECK(text.find("nofile = \"1024:infinity\"") != std::string::npos);
    CHECK(text.find("after = [\"y\"]") != std::string::npos);
    CHECK_FALSE(import_systemd_text("x.path", "", drafts));
    CHECK_FALSE(import_systemd_text("a b.service", "", drafts));
}

TEST_CASE("import: compose files merge, and refer to what is set", "[import][S0.19]") {
    Drafts drafts;
    REQUIRE(
        import_compose("x-a: &a {restart: always, image: low}\n"
                       "services:\n  s:\n    <<: *a\n    image: high\n"
                       "    command: run ${SET} ${UNSET:-other} $$x\n"
                       "    hostname: ${UNSET}\n",
                       kNowhere, drafts));
    const Draft& draft = drafts.at("s");
    CHECK(draft.text_of("service", "restart") == "always");
    const std::string text = to_file(draft, "compose.yaml");
    CHECK(text.find("\"run\", \"value\", \"other\", \"$x\"]") != std::string::npos);
    CHECK(text.find("needs the variable UNSET") != std::string::npos);
    for (const char* wrong : {"", "[]", "services: {}", "services: {a b: {}}", "services: [",
                              "services: {a: &a {<<: *a}}", "services: {a: *b}"}) {
        CAPTURE(wrong);
        CHECK_FALSE(import_compose(wrong, kNowhere, drafts));
    }
}
