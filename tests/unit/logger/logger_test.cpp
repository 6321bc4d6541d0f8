#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "base/sys.hpp"
#include "logger/drain.hpp"
#include "logger/stamper.hpp"
#include "logger/unit_log.hpp"

using namespace jailsvc;
using namespace jailsvc::logger;

namespace {

constexpr std::uint64_t kMoment = 1'700'000'000'123'456'789;  // 2023-11-14T22:13:20.123456Z
const std::string kStamp = "2023-11-14T22:13:20.123456Z ";

std::string stamp(std::initializer_list<std::string> blocks) {
    Stamper stamper;
    std::string out;
    for (const auto& block : blocks) stamper.append(out, block, kMoment);
    return out;
}

struct TempDirectory {
    std::string path = "/tmp/jailsvc-logger-XXXXXX";
    TempDirectory() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~TempDirectory() {
        ::unlink((path + "/web.log").c_str());
        ::rmdir(path.c_str());
    }
    [[nodiscard]] std::string content() const {
        return sys::read_file(path + "/web.log", 64U << 20).value();
    }
};

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
    CHECK(stamp({full + "y\n"}) == kStamp + full + "\n" + kStamp + "y\n");
    CHECK(stamp({full, "y\n"}) == kStamp + full + "\n" + kStamp + "y\n");
    CHECK(stamp({full + full, "\n"}) == kStamp + full + "\n" + kStamp + full + "\n");
}

TEST_CASE("stamper: a line that its program left open can be ended", "[logger]") {
    Stamper stamper;
    std::string out;
    stamper.end_line(out);
    CHECK(out.empty());
    stamper.append(out, "no end", kMoment);
    stamper.end_line(out);
    stamper.end_line(out);
    stamper.append(out, "next\n", kMoment);
    CHECK(out == kStamp + "no end\n" + kStamp + "next\n");
}

TEST_CASE("log: an unended line is gone on with after a reopen", "[logger]") {
    const TempDirectory directory;
    {
        auto log = UnitLog::open(directory.path, "web");
        REQUIRE(log);
        log->append("half a ", kMoment);
    }
    auto log = UnitLog::open(directory.path, "web");
    REQUIRE(log);
    log->append("line\nnext\n", kMoment);
    CHECK(directory.content() == kStamp + "half a line\n" + kStamp + "next\n");
}

TEST_CASE("log: a symlink in place of the file is refused", "[logger]") {
    const TempDirectory directory;
    REQUIRE(::symlink("/tmp/jailsvc-elsewhere", (directory.path + "/web.log").c_str()) == 0);
    const auto log = UnitLog::open(directory.path, "web");
    REQUIRE_FALSE(log);
    CHECK(log.error().code == ELOOP);
    CHECK(::access("/tmp/jailsvc-elsewhere", F_OK) == -1);
}

TEST_CASE("log: what a full disk does not take waits in the ring, drops are counted", "[logger]") {
    const TempDirectory directory;
    auto log = UnitLog::open(directory.path, "web");
    REQUIRE(log);
    log->append("before\n", kMoment);

    // A file size limit stands for the full disk: EFBIG instead of ENOSPC.
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    const rlimit small{kStamp.size() + 7, old.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);

    SECTION("a little is kept whole") {
        log->append("during\n", kMoment);
        CHECK_FALSE(log->ring_empty());
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
        log->append("after\n", kMoment);
        CHECK(log->ring_empty());
        CHECK(directory.content() ==
              kStamp + "before\n" + kStamp + "during\n" + kStamp + "after\n");
    }
    SECTION("of too much the newest is kept, the rest is counted") {
        const std::string line(1000, 'l');
        for (int i = 0; i < 1000; ++i) log->append(line + "\n", kMoment);
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
        log->append("newest\n", kMoment);
        const std::string content = directory.content();
        CHECK(content.ends_with("newest\n"));
        const auto note = content.find("jailsvc: ");
        REQUIRE(note != std::string::npos);
        const auto lines = std::count(content.begin(), content.end(), '\n');
        const long dropped = std::strtol(content.c_str() + note + 9, nullptr, 10);
        CHECK(dropped > 0);
        // before + 1000 + newest, and the note with the newline that precedes it
        CHECK(lines - 2 + dropped == 1002);
    }
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
}

TEST_CASE("log: a follower gets what the file gets, a slow one is ended", "[logger]") {
    const TempDirectory directory;
    auto log = UnitLog::open(directory.path, "web");
    REQUIRE(log);
    log->append("old\n", kMoment);
    auto reader = log->open_reader();
    REQUIRE(reader);
    CHECK(reader->size == kStamp.size() + 4);
    auto follower = log->add_follower();
    REQUIRE(follower);
    log->append("new\n", kMoment);
    char text[256];
    const ssize_t count = ::read(follower->get(), text, sizeof text);
    REQUIRE(count > 0);
    CHECK(std::string(text, static_cast<std::size_t>(count)) == kStamp + "new\n");

    ::signal(SIGPIPE, SIG_IGN);
    const std::string much(60'000, 'm');
    for (int i = 0; i < 4; ++i) log->append(much + "\n", kMoment);
    std::size_t received = 0;
    for (;;) {  // ends: the writer's end is closed
        char block[65536];
        const ssize_t got = ::read(follower->get(), block, sizeof block);
        REQUIRE(got >= 0);
        if (got == 0) break;
        received += static_cast<std::size_t>(got);
    }
    CHECK(received < 4 * much.size());
}

TEST_CASE("drain: bytes reach the log before they leave the pipe", "[logger]") {
    const TempDirectory directory;
    auto log = UnitLog::open(directory.path, "web");
    REQUIRE(log);
    auto drain = Drain::make();
    REQUIRE(drain);
    Pipe pipe;

    CHECK(drain->move_block(pipe.reader.get(), *log).value() == Drain::Outcome::kNothing);
    pipe.put("one\n");
    pipe.put("two\n");
    CHECK(drain->move_block(pipe.reader.get(), *log).value() == Drain::Outcome::kMoved);
    CHECK(drain->move_block(pipe.reader.get(), *log).value() == Drain::Outcome::kNothing);
    const std::string content = directory.content();
    CHECK(content.find("one\n") != std::string::npos);
    CHECK(content.ends_with("two\n"));

    SECTION("the last words of a writer that is gone are complete") {
        pipe.put("last words");
        pipe.writer = Fd();
        CHECK(drain->move_block(pipe.reader.get(), *log).value() == Drain::Outcome::kMoved);
        CHECK(drain->move_block(pipe.reader.get(), *log).value() == Drain::Outcome::kEnd);
        CHECK(directory.content().ends_with("last words"));
    }
}
