#include "base/list.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

namespace jailsvc {
namespace {

using Strings = List<std::string>;
const std::string kLong(100, 'x');  // longer than what a string holds without memory of its own

}  // namespace

TEST_CASE("list: an empty one is a pointer and nothing else", "[base]") {
    const Strings none;
    CHECK(sizeof none == sizeof(void*));
    CHECK(none.empty());
    CHECK(none.size() == 0);
    CHECK(none.begin() == none.end());
    CHECK(none == Strings(std::vector<std::string>{}));
}

TEST_CASE("list: has the elements that it was made of, in their order", "[base]") {
    std::vector<std::string> from{"a", kLong, "c"};
    const Strings copied = from;
    CHECK(from[1] == kLong);
    const Strings moved = std::move(from);
    for (const Strings& list : {copied, moved, Strings{"a", kLong, "c"}}) {
        REQUIRE(list.size() == 3);
        CHECK(list.front() == "a");
        CHECK(list[1] == kLong);
        CHECK(list.back() == "c");
    }
}

TEST_CASE("list: copies are apart, moves leave nothing", "[base]") {
    Strings list{kLong};
    Strings copy = list;
    copy.push_back("more");
    CHECK(list == Strings{kLong});
    CHECK(copy == Strings{kLong, "more"});
    Strings taken = std::move(copy);
    CHECK(copy.empty());
    CHECK(taken.size() == 2);
    taken = list;
    CHECK(taken == list);
    taken = {};
    CHECK(taken.empty());
}

TEST_CASE("list: an element may be appended to its own list", "[base]") {
    Strings list{kLong};
    list.push_back(list.front());
    CHECK(list == Strings{kLong, kLong});
}

TEST_CASE("list: lists can hold lists", "[base]") {
    List<Strings> commands{{"/bin/a", "-x"}, {"/bin/b"}};
    const List<Strings> copy = commands;
    commands = {};
    REQUIRE(copy.size() == 2);
    CHECK(copy[0] == Strings{"/bin/a", "-x"});
}

}  // namespace jailsvc
