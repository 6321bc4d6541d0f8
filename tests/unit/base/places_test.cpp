#include "base/places.hpp"

#include <catch2/catch.hpp>

using namespace jailsvc;

namespace {

std::string refusal(const std::vector<std::string>& arguments) {
    const auto places = Places::from_arguments(arguments);
    return places ? "accepted" : places.error().message;
}

}  // namespace

TEST_CASE("places: --state keeps everything that is written below one directory", "[base]") {
    const auto places = Places::from_arguments({"--state", "/s"});
    REQUIRE(places);
    CHECK(places->control_socket() == "/s/run/control");
    for (const auto& written : {places->run, places->lib, places->log, places->state_root,
                                places->cache_root, places->logs_root, places->runtime_root}) {
        INFO(written);
        CHECK(written.starts_with("/s/"));
    }
    const auto installed = Places::from_arguments({});
    REQUIRE(installed);
    CHECK(installed->control_socket() == "/run/jailsvc/control");
}

TEST_CASE("places: --config takes the place of the installed units, not of shipped profiles",
          "[base]") {
    const auto places = Places::from_arguments({"--config", "/c", "--state", "/s", "--quiet"});
    REQUIRE(places);
    CHECK(places->quiet);
    CHECK(places->ceiling == "/c/ceiling.toml");
    CHECK(places->unit_dirs == std::vector<std::string>{"/s/run/units", "/c/units"});
    REQUIRE(places->profile_dirs.size() == 2);
    CHECK(places->profile_dirs.front() == "/c/profiles");
    CHECK(places->profile_dirs.back().ends_with("/lib/jailsvc/units/profiles"));
}

TEST_CASE("places: what is no option, or no absolute path, is named", "[base]") {
    CHECK(refusal({"--frob"}) == "unknown option \"--frob\"");
    CHECK(refusal({"--state"}) == "--state: give an absolute path");
    CHECK(refusal({"--state", "relative"}) == "--state: give an absolute path");
    CHECK(refusal({"--files", "9x"}) == "--files: \"9x\" is no number");
    CHECK(refusal({"--files"}) == "--files: \"\" is no number");
    CHECK(refusal({"--files", "1024"}) == "accepted");
}
