#include "edit.hpp"

#include <catch2/catch.hpp>

using namespace jailsvc::ctl;

TEST_CASE("edit: what stands below the line is not kept", "[ctl]") {
    const std::string unit = "[service]\nexec_start = [\"/bin/x\"]\n";
    const std::string fresh = draft_of("", "/u/web.toml", unit);
    CHECK(fresh.find("\n# [service]\n# exec_start = [\"/bin/x\"]\n") != std::string::npos);
    CHECK(kept_of(fresh).empty());
    CHECK(kept_of("[a]\nb = 1\n" + fresh) == "[a]\nb = 1\n");
    const std::string again = draft_of("[a]\nb = 1\n", "/u/web.toml", unit);
    CHECK(kept_of(again) == "[a]\nb = 1\n");
    SECTION("wherever the line stands") {
        CHECK(kept_of(fresh.substr(fresh.find("#---"))).empty());
        CHECK(kept_of("a = \"#--- What\"\n") == "a = \"#--- What\"\n");
    }
    SECTION("and everything where it is gone") {
        CHECK(kept_of("\n\n  # mine\n[a]\nb = 1\n\n\n") == "  # mine\n[a]\nb = 1\n");
        CHECK(kept_of("b = 1") == "b = 1\n");
    }
}

TEST_CASE("edit: comments alone say nothing", "[ctl]") {
    CHECK(says_nothing(""));
    CHECK(says_nothing("\n  \t\n# a\n  # b\r\n"));
    CHECK_FALSE(says_nothing("# a\n[b]\n"));
    CHECK_FALSE(says_nothing("x"));
}
