#include "processes.hpp"

#include <catch2/catch.hpp>

using namespace jailsvc::ctl;

namespace {

Json processes(const std::vector<std::pair<int, int>>& pairs) {
    auto list = Json::array();
    for (const auto& [pid, parent] : pairs) list.push_back({{"pid", pid}, {"parent", parent}});
    return list;
}

std::string drawn(const Json& list) {
    std::string text;
    for (const auto& [prefix, process] : as_tree(list)) {
        text += prefix + std::to_string(process["pid"].get<int>()) + "\n";
    }
    return text;
}

}  // namespace

TEST_CASE("ps: processes are drawn below their parents", "[ctl][S4.18]") {
    CHECK(drawn(processes({{10, 1}, {11, 10}, {12, 10}, {13, 11}, {20, 1}})) ==
          "10\n├─11\n│ └─13\n└─12\n20\n");
    CHECK(drawn(processes({})).empty());
}

TEST_CASE("ps: no list of processes makes the drawing go on for ever", "[ctl]") {
    CHECK(drawn(processes({{1, 2}, {2, 1}})) == "1\n└─2\n");
    CHECK(drawn(processes({{5, 5}})) == "5\n");
    CHECK(drawn(processes({{5, 1}, {5, 1}})) == "5\n");
    std::vector<std::pair<int, int>> chain;
    for (int i = 1; i < 2000; ++i) chain.emplace_back(i + 1, i);
    CHECK(as_tree(processes(chain)).size() == 1999);
    CHECK(as_tree(processes(chain)).back().prefix.size() < 1000);
    CHECK(as_tree(Json::array({{{"pid", "x"}}, Json::object()})).size() == 1);  // of no process
}
