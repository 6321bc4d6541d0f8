#include "base/rarely.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace jailsvc {

TEST_CASE("rarely: is the default value until it is made another", "[base]") {
    Rarely<std::string> text;
    CHECK(sizeof text == sizeof(void*));
    CHECK(text->empty());
    text.make() = "reason";
    CHECK(*text == "reason");
    text = {};
    CHECK(text->empty());
}

TEST_CASE("rarely: copies are apart, moves leave the default", "[base]") {
    Rarely<std::string> text = std::string("one");
    Rarely<std::string> copy = text;
    copy.make() += "s";
    CHECK(*text == "one");
    CHECK(*copy == "ones");
    const Rarely<std::string> taken = std::move(copy);
    CHECK(*taken == "ones");
    CHECK(copy->empty());
}

}  // namespace jailsvc
