#include "verify/report.hpp"

#include <catch2/catch.hpp>

using namespace jailsvc;
using namespace jailsvc::verify;

namespace {

config::Diagnostic at(const char* file, std::uint32_t line, std::uint32_t column,
                      const char* message) {
    return {.file = file, .line = line, .column = column, .message = message, .source = {}};
}

}  // namespace

TEST_CASE("verify: what is found is told by file, line and column, whoever found it", "[verify]") {
    Report report;
    report.begin("b.toml");
    report.begin("a.toml");
    report.tell({at("other.toml", 1, 1, "of a profile"), at("b.toml", 9, 1, "late")});
    report.tell({at("a.toml", 1, 1, "in a")});
    report.tell({at("b.toml", 2, 7, "early"), at("b.toml", 2, 3, "earlier")}, Severity::kWarning);
    report.tell({at("b.toml", 9, 1, "late"), at("b.toml", 9, 1, "also")});
    std::vector<std::string> told;
    for (const auto& one : report.sorted()) told.push_back(one.diagnostic.message);
    CHECK(told ==
          std::vector<std::string>{"earlier", "early", "late", "also", "in a", "of a profile"});
    CHECK(report.has(Severity::kWarning));
    CHECK(report.has(Severity::kError));
    CHECK_FALSE(Report().has(Severity::kError));
}
