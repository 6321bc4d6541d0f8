#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "written.hpp"

using namespace jailsvc;
using namespace jailsvc::logger;
using namespace jailsvc::logger::test;

namespace {

std::string stamp(std::initializer_list<std::string> blocks) {
    Stamper stamper;
    std::string out;
    for (const auto& block : blocks) stamper.append(out, block, kTime, LineMark::kOutput);
    return out;
}

}  // namespace

TEST_CASE("stamper: every line gets one stamp, also in pieces", "[logger]") {
    CHECK(stamp({"one\ntwo\n"}) == kStamp + "one\n" + kStamp + "two\n");
    CHECK(stamp({"on", "e\nt", "wo\n"}) == kStamp + "one\n" + kStamp + "two\n");
    CHECK(stamp({"\n"}) == kStamp + "\n");
    CHECK(stamp({"\n\n"}) == kStamp + "\n" + kStamp + "\n");
    CHECK(stamp({"no end"}) == kStamp + "no end");
    CHECK(stamp({""}).empty());
    CHECK(stamp({std::string("a\0b\n", 4)}) == kStamp + std::string("a\0b\n", 4));
}

TEST_CASE("stamper: a line beyond the limit is split, no byte lost", "[logger]") {
    const std::string full(kMaxLine, 'x');
    CHECK(stamp({full + "\n"}) == kStamp + full + "\n");
    CHECK(stamp({full, "\n"}) == kStamp + full + "\n");
    CHECK(stamp({full + "y\n"}) == kStamp + full + "\n" + kTime + "+y\n");
    CHECK(stamp({full, "y\n"}) == kStamp + full + "\n" + kTime + "+y\n");
    CHECK(stamp({full + full, "\n"}) == kStamp + full + "\n" + kTime + "+" + full + "\n");
}

TEST_CASE("stamper: a line that its program left open can be ended", "[logger]") {
    Stamper stamper;
    std::string out;
    stamper.end_line(out);
    CHECK(out.empty());
    stamper.append(out, "no end", kTime, LineMark::kOutput);
    stamper.end_line(out);
    stamper.end_line(out);
    stamper.append(out, "next\n", kTime, LineMark::kOutput);
    CHECK(out == kStamp + "no end\n" + kStamp + "next\n");
}

TEST_CASE("stamper: a line that another stream breaks into is marked as going on", "[logger]") {
    Stamper stamper;
    std::string out;
    const auto write = [&](LineMark mark, std::string_view bytes) {
        stamper.append(out, bytes, kTime, mark);
    };
    write(LineMark::kStdout, "half ");
    write(LineMark::kStderr, "error\n");
    write(LineMark::kStdout, "a line\nnext\n");
    CHECK(out ==
          kTime + "1 half \n" + kTime + "2 error\n" + kTime + "1+a line\n" + kTime + "1 next\n");
    SECTION("of one that was complete but for its end, nothing is left to say") {
        out.clear();
        write(LineMark::kStdout, "whole");
        stamper.say(out, "note", kTime);
        write(LineMark::kStdout, "\nnext\n");
        CHECK(out == kTime + "1 whole\n" + kTime + "# note\n" + kTime + "1 next\n");
    }
}

TEST_CASE("line: what the stamper writes is read back", "[logger]") {
    char text[kStampLength];
    write_stamp(text, kMoment / 1000);
    CHECK(std::string_view(text, sizeof text) == kTime);
    CHECK(parse_stamp(kTime) == kMoment / 1000);
    for (const char* wrong : {"", "2023-11-14T22:13:20.123456", "2023-11-14 22:13:20.123456Z",
                              "2023-11-14T22:13:2x.123456Z"}) {
        CHECK_FALSE(parse_stamp(wrong));
    }
    const std::string raw = kTime + "2+text";
    const auto line = parse_log_line(raw);
    REQUIRE(line);
    CHECK(line->mark == LineMark::kStderr);
    CHECK(line->continues);
    CHECK(line->text == "text");
    CHECK(parse_log_line(kStamp)->text.empty());
    for (const auto& wrong : {std::string("no stamp"), kTime, kTime + "2", kTime + "x text"}) {
        CHECK_FALSE(parse_log_line(wrong));
    }
    const std::string said = format_clock_note({1'234'567, "b00t"});
    const auto note = parse_clock_note(said);
    REQUIRE(note);
    CHECK(note->boottime_us == 1'234'567);
    CHECK(note->boot == "b00t");
    for (const char* wrong : {"clock", "clock boottime=1.5 boot=x", "clock boottime=x.000000 boot=",
                              "clock boottime=99999999999999999999.000000 boot=x"}) {
        CHECK_FALSE(parse_clock_note(wrong));
    }
}
