#include "config/job_file.hpp"

#include <catch2/catch.hpp>

#include "config/checks.hpp"
#include "config/effective.hpp"

using namespace jailsvc;
using namespace jailsvc::config;

namespace {

/// The file read as a unit's, its specifiers replaced.
Document read(const std::string& text) {
    static SourceText source;
    source = {"job", text};
    Reporter reporter;
    auto document = parse_document(source, core_schema(), reporter);
    REQUIRE(document);
    expand(*document, specifiers_for({}, "job"), reporter);
    check_document(*document, core_schema(), reporter);
    REQUIRE(reporter.empty());
    return *document;
}

std::string error_of(const JobWish& wish) {
    const auto text = job_file(core_schema(), wish);
    REQUIRE_FALSE(text);
    return text.error().front().message;
}

}  // namespace

TEST_CASE("job file: words of a command are written as they are", "[config]") {
    const std::vector<std::string> words{
        "/bin/x", "\"]\n[jail]\nprofile = \"host\"", "%i", "50%", "\\", "", "'", "\xc3\xa4"};
    const auto text = job_file(core_schema(), {.command = words});
    REQUIRE(text);
    const Document document = read(*text);
    const Value* start = document.find("service", "exec_start");
    REQUIRE(start != nullptr);
    std::vector<std::string> found;
    for (const Text& one : std::get<TextList>(start->data)) found.push_back(one.text);
    CHECK(found == words);
    CHECK(document.find("jail", "profile") == nullptr);
    const Unit unit = make_unit("job", document);
    CHECK(unit.job->present());
    CHECK(unit.logging->output_cap == 2'000'000);
    CHECK(unit.logging->split);
}

TEST_CASE("job file: properties are those of the schema, each with its type", "[config]") {
    const auto text = job_file(
        core_schema(), {.command = {"/bin/x"},
                        .environment = {"A=b=c", "E="},
                        .properties = {"service.nice=5", "unit.after=[\"db\"]", "logging.keep=3"},
                        .timer = {"on_calendar=daily", "jitter=5min"}});
    REQUIRE(text);
    const Unit unit = make_unit("job", read(*text));
    CHECK(unit.service.nice == 5);
    CHECK(unit.unit.after == std::vector<std::string>{"db"});
    CHECK(unit.logging->keep == 3);
    CHECK(unit.environment->set.at("A") == "b=c");
    CHECK(unit.environment->set.at("E").empty());
    CHECK(unit.timer->on_calendar == std::vector<std::string>{"daily"});

    CHECK(error_of({.command = {"/bin/x"}, .properties = {"service.nise=5"}}).find("nice") !=
          std::string::npos);
    CHECK(error_of({.command = {"/bin/x"}, .properties = {"servise.nice=5"}}).find("service") !=
          std::string::npos);
    for (const char* bad : {"service.nice=5\nx=1", "service.nice=", "nice=5", "service.nice",
                            "service.nice=5]\"", "=1"}) {
        CAPTURE(bad);
        CHECK_FALSE(error_of({.command = {"/bin/x"}, .properties = {bad}}).empty());
    }
    CHECK_FALSE(error_of({.command = {"relative"}}).empty());
    CHECK_FALSE(error_of({.command = {"/bin/x", "\xff"}}).empty());
    CHECK_FALSE(error_of({.command = {"/bin/x"}, .environment = {"noequals"}}).empty());
}

TEST_CASE("job file: what is lent is lent for one start", "[config]") {
    CHECK(error_of({.command = {"/bin/x"}, .timer = {"every=1s"}, .stdin_ = true})
              .find("nobody is there") != std::string::npos);
    CHECK(error_of(
              {.command = {"/bin/x"}, .properties = {"service.restart=always"}, .terminal = true})
              .find("one start") != std::string::npos);
    CHECK(job_file(core_schema(), {.command = {"/bin/x"}, .terminal = true}));
}
