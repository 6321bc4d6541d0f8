#include "base/flat_map.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <string_view>

namespace jailsvc {

TEST_CASE("flat map: keeps its keys in order, each once", "[base]") {
    FlatMap<std::string, int> map;
    map["b"] = 2;
    map["c"] = 3;
    map["a"] = 1;
    map["b"] = 4;
    CHECK_FALSE(map.try_emplace("a", 9).second);
    map.insert_or_assign("d", 5);
    map.insert_or_assign("d", 6);
    std::string seen;
    for (const auto& [key, value] : map) seen += key + std::to_string(value);
    CHECK(seen == "a1b4c3d6");
}

TEST_CASE("flat map: finds what is there and nothing else", "[base]") {
    FlatMap<std::string, int> map;
    CHECK(map.empty());
    CHECK_FALSE(map.contains("a"));
    map["a"] = 1;
    map["c"] = 3;
    CHECK(map.find(std::string_view("c"))->second == 3);
    for (const char* absent : {"", "b", "d"}) CHECK(map.find(absent) == map.end());
}

TEST_CASE("flat map: what is erased is gone, and the rest stays", "[base]") {
    FlatMap<int, std::unique_ptr<int>> map;
    for (const int key : {3, 1, 2}) map.try_emplace(key, std::make_unique<int>(key));
    CHECK(map.erase(2) == 1);
    CHECK(map.erase(2) == 0);
    map.erase(map.find(1));
    REQUIRE(map.size() == 1);
    CHECK(*map.begin()->second == 3);
}

}  // namespace jailsvc
