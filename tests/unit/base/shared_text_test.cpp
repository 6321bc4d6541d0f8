#include "base/shared_text.hpp"

#include <catch2/catch.hpp>

using jailsvc::Interned;
using jailsvc::SharedText;

TEST_CASE("shared text: what went in comes out", "[base]") {
    for (const std::string text :
         {"", "[jail]\n", "# first\n[jail]\na = 1\n\n[service]\nb = [\n[2]]\n", "no end\n[",
          "\n[\n["}) {
        CHECK(SharedText(text).str() == text);
    }
}

TEST_CASE("shared text: equal tables are stored once, and no longer than used", "[base]") {
    const auto before = Interned<std::string>::stored();
    {
        const SharedText web("[jail]\na = 7701\n\n[service]\nb = 7702\n");
        const SharedText db("[jail]\na = 7701\n\n[service]\nb = 7703\n");
        CHECK(Interned<std::string>::stored() == before + 3);
        CHECK_FALSE(web == db);
        CHECK(web == SharedText(web.str()));
    }
    CHECK(Interned<std::string>::stored() == before);
}
