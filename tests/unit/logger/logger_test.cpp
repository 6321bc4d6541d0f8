#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "logger/drain.hpp"
#include "logger/rate_limit.hpp"
#include "written.hpp"

using namespace jailsvc;
using namespace jailsvc::logger;
using namespace jailsvc::logger::test;

namespace {

struct Pipe {
    Fd reader, writer;
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        reader = Fd(ends[0]);
        writer = Fd(ends[1]);
    }
    void put(std::string_view text) const {
        REQUIRE(::write(writer.get(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
    }
};

}  // namespace

// What comes next may be its rest, or, after a death in the middle of a write, the whole block
// again.
TEST_CASE("log: a line that a death left unended stays alone", "[logger]") {
    Written first;
    first.append("half a ");
    UnitLog again("web");
    again.append(first.shared, first.settings, "line\nnext\n", LineMark::kOutput, moment());
    CHECK(first.directory.content() ==
          kStamp + "half a \n" + kStamp + "line\n" + kStamp + "next\n");
}

TEST_CASE("log: each file begins with the state of the clocks, and says when they part",
          "[logger]") {
    Written written;
    written.shared.boot = "b00t";
    written.append("one\n");
    written.append("two\n", 5);
    CHECK(written.raw().starts_with(kTime + "# clock boottime=1000.000000 boot=b00t\n"));
    const auto notes = [&] {
        std::size_t count = 0;
        const std::string text = written.raw();
        for (std::size_t at = 0; (at = text.find("# clock ", at)) != std::string::npos; ++at) {
            ++count;
        }
        return count;
    };
    CHECK(notes() == 1);
    written.log.append(written.shared, written.settings, "three\n", LineMark::kOutput,
                       {kMoment + 60 * kSecond, 1010 * kSecond});
    CHECK(notes() == 2);
}

TEST_CASE("log: a symlink in place of the file is refused", "[logger]") {
    Written written;
    REQUIRE(::symlink("/tmp/jailsvc-elsewhere", (written.directory.path() + "/web.log").c_str()) ==
            0);
    const auto reader = written.log.open_reader(written.shared, written.settings, 0);
    REQUIRE_FALSE(reader);
    CHECK(reader.error().code == ELOOP);
    written.append("kept\n");
    CHECK_FALSE(written.log.ring_empty());
    CHECK(::access("/tmp/jailsvc-elsewhere", F_OK) == -1);
    REQUIRE(::unlink((written.directory.path() + "/web.log").c_str()) == 0);
    CHECK(written.log.flush_ring(written.shared, written.settings));
    CHECK(written.directory.content() == kStamp + "kept\n");
}

TEST_CASE("log: what a full disk does not take waits in the ring, drops are counted", "[logger]") {
    Written written;
    written.append("before\n");

    // A file size limit stands for the full disk: EFBIG instead of ENOSPC.
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    const rlimit small{written.raw().size(), old.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);

    SECTION("a little is kept whole") {
        written.append("during\n");
        CHECK_FALSE(written.log.ring_empty());
        written.log.keep(written.shared, "while waiting\n", LineMark::kOutput, moment());
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
        written.append("after\n");
        CHECK(written.log.ring_empty());
        CHECK(written.shared.ring_bytes == 0);
        CHECK(written.all_lines() ==
              std::vector<std::string>{"before", "during", "while waiting", "after"});
    }
    SECTION("of too much the newest is kept, the rest is counted") {
        const std::string line(1000, 'l');
        for (int i = 0; i < 1000; ++i) written.append(line + "\n");
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
        written.append("newest\n");
        const std::string content = written.raw();
        CHECK(content.ends_with("newest\n"));
        const auto note = content.find(" lines were dropped while");
        REQUIRE(note != std::string::npos);
        const auto number = content.rfind("# ", note) + 2;
        const long dropped = std::strtol(content.c_str() + number, nullptr, 10);
        CHECK(dropped > 0);
        CHECK(static_cast<long>(written.all_lines().size()) + dropped == 1002);
        CHECK(written.shared.ring_bytes == 0);
    }
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
}

TEST_CASE("log: a follower gets what the file gets, a slow one is ended", "[logger]") {
    Written written;
    written.append("old\n");
    auto reader = written.log.open_reader(written.shared, written.settings, 0);
    REQUIRE(reader);
    CHECK(reader->size == written.raw().size());
    auto follower = written.log.add_follower();
    REQUIRE(follower);
    written.append("new\n");
    char text[256];
    const ssize_t count = ::read(follower->get(), text, sizeof text);
    REQUIRE(count > 0);
    CHECK(std::string(text, static_cast<std::size_t>(count)) == kStamp + "new\n");

    ::signal(SIGPIPE, SIG_IGN);
    const std::string much(60'000, 'm');
    for (int i = 0; i < 4; ++i) written.append(much + "\n");
    std::size_t received = 0;
    for (;;) {  // ends: the writer's end is closed
        char block[65536];
        const ssize_t got = ::read(follower->get(), block, sizeof block);
        REQUIRE(got >= 0);
        if (got == 0) break;
        received += static_cast<std::size_t>(got);
    }
    CHECK(received < 4 * much.size());
    CHECK_FALSE(written.log.has_followers());
}

TEST_CASE("rate: whole lines beyond it are dropped and counted", "[logger]") {
    constexpr std::uint64_t kRate = 100;
    constexpr std::uint64_t kStart = 1'000'000'000;
    RateLimit rate;
    const std::string line(49, 'r');
    std::string block;
    for (int i = 0; i < 30; ++i) block += line + "\n";
    auto verdict = rate.admit(block, kRate, kStart);
    CHECK(verdict.passed == 1000);  // ten seconds' worth at once
    CHECK(verdict.cut);
    CHECK_FALSE(rate.take_dropped(kRate, kStart));

    CHECK(rate.admit("half a line", kRate, kStart + 100'000).passed == 0);
    CHECK(rate.admit(" and its end\n", kRate, kStart + 200'000).passed == 0);
    const auto dropped = rate.take_dropped(kRate, kStart + 1'200'000);
    REQUIRE(dropped);
    CHECK(dropped->lines == 11);
    CHECK(dropped->bytes == 500 + 24);
    CHECK_FALSE(rate.has_dropped());
    CHECK(rate.admit("again\n", kRate, kStart + 1'200'000).passed == 6);
    SECTION("a line whose start was dropped does not pass with its end") {
        CHECK(rate.admit(std::string(2000, 'x'), kRate, kStart + 1'200'000).passed == 0);
        verdict = rate.admit("end\nnext\n", kRate, kStart + 60'000'000);
        CHECK(verdict.skipped == 4);
        CHECK(verdict.passed == 5);
    }
}

TEST_CASE("drain: bytes reach the log before they leave the pipe", "[logger]") {
    std::string content;
    const auto take = [&content](std::string_view bytes) { content += bytes; };
    auto drain = Drain::make();
    REQUIRE(drain);
    Pipe pipe;

    CHECK(drain->move_block(pipe.reader.get(), take).value() == Drain::Outcome::kNothing);
    pipe.put("one\n");
    pipe.put("two\n");
    CHECK(drain->move_block(pipe.reader.get(), take).value() == Drain::Outcome::kMoved);
    CHECK(drain->move_block(pipe.reader.get(), take).value() == Drain::Outcome::kNothing);
    CHECK(content == "one\ntwo\n");

    SECTION("the last words of a writer that is gone are complete") {
        pipe.put("last words");
        pipe.writer = Fd();
        CHECK(drain->move_block(pipe.reader.get(), take).value() == Drain::Outcome::kMoved);
        CHECK(drain->move_block(pipe.reader.get(), take).value() == Drain::Outcome::kEnd);
        CHECK(content.ends_with("last words"));
    }
}
