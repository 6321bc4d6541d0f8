#include "logger/output_cap.hpp"

#include <catch2/catch.hpp>

using jailsvc::logger::OutputCap;

TEST_CASE("output cap: so many bytes of a run pass, and the rest is counted", "[logger][S3.15]") {
    OutputCap cap;
    CHECK(cap.admit("hello", 8) == "hello");
    CHECK_FALSE(cap.take_reached());
    CHECK(cap.admit("world", 8) == "wor");
    CHECK(cap.take_reached());
    CHECK_FALSE(cap.take_reached());
    CHECK(cap.admit("more", 8).empty());
    CHECK(cap.close() == 6);
    CHECK(cap.close() == 6);  // of a run that is over the answer stays
    CHECK(cap.take_told());
    CHECK_FALSE(cap.take_told());

    CHECK(cap.admit("next", 8) == "next");  // another run
    CHECK(cap.close() == 0);
}
