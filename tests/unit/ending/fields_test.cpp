#include "ending/fields.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace jailsvc::ending;

namespace {

std::vector<std::string> fields(std::string text, unsigned number) {
    std::size_t size = text.size();
    text.push_back('#');  // room for the mark
    std::vector<std::string> found;
    while (size > 0) {
        const char* field = cut_field(cut_last_line(text.data(), size), number);
        found.emplace_back(field != nullptr ? field : "-");
    }
    return found;
}

using Fields = std::vector<std::string>;

}  // namespace

TEST_CASE("fields: lines come last first, with or without a newline at the end", "[ending]") {
    CHECK(fields("a /one x\nb /two x\n", 1) == Fields{"/two", "/one"});
    CHECK(fields("a /one x\nb /two x", 1) == Fields{"/two", "/one"});
    CHECK(fields("", 1).empty());
}

TEST_CASE("fields: what mounts(5) escapes is decoded", "[ending]") {
    CHECK(fields("a /with\\040space\\134 x\n", 1) == Fields{"/with space\\"});
    CHECK(fields("a /end\\04\n", 1) == Fields{"/end\\04"});  // cut off: left as it is
    CHECK(fields("a \\", 1) == Fields{"\\"});
}

TEST_CASE("fields: blanks may repeat, and a line may have too few words", "[ending]") {
    CHECK(fields("/swap\\040file \t partition\t 1\n", 0) == Fields{"/swap file"});
    CHECK(fields("one\n\n  \nthree words here\n", 1) == Fields{"words", "-", "-", "-"});
}
