#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/sys.hpp"
#include "logger/archive.hpp"
#include "logger/archivist.hpp"
#include "logger/drain.hpp"
#include "logger/rate_limit.hpp"
#include "logger/stamper.hpp"
#include "logger/unit_log.hpp"

using namespace jailsvc;
using namespace jailsvc::logger;

namespace {

constexpr std::uint64_t kMoment = 1'700'000'000'123'456'789;  // 2023-11-14T22:13:20.123456Z
constexpr std::uint64_t kSecond = 1'000'000'000;
const std::string kTime = "2023-11-14T22:13:20.123456Z";
const std::string kStamp = kTime + " ";

Moment moment(std::uint64_t seconds = 0) {
    return {kMoment + seconds * kSecond, (1000 + seconds) * kSecond};
}

std::string stamp(std::initializer_list<std::string> blocks) {
    Stamper stamper;
    std::string out;
    for (const auto& block : blocks) stamper.append(out, block, kTime, LineMark::kOutput);
    return out;
}

struct TempDirectory {
    std::string path = "/tmp/jailsvc-logger-XXXXXX";
    TempDirectory() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~TempDirectory() { std::filesystem::remove_all(path); }
    [[nodiscard]] std::string raw() const {
        return sys::read_file(path + "/web.log", 64U << 20).value();
    }
    /// Without what is said of the clocks.
    [[nodiscard]] std::string content() const { return without_notes(raw()); }

    static std::string without_notes(const std::string& text) {
        std::string kept;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            if (line.find("# clock ") == std::string::npos) kept += line + "\n";
        }
        return kept;
    }
};

/// One unit's log in a directory of its own.
struct Written {
    TempDirectory directory;
    Shared shared{directory.path};
    ipc::LogSettings settings;
    UnitLog log{"web"};
    Written() { shared.disk.lock(); }
    ~Written() {
        shared.archivist.wait();
        shared.disk.unlock();
    }
    void append(std::string_view bytes, std::uint64_t seconds = 0) {
        log.append(shared, settings, bytes, LineMark::kOutput, moment(seconds));
    }
    /// The text of every line that there is, over all files, in order.
    [[nodiscard]] std::vector<std::string> all_lines() {
        std::vector<std::string> lines;
        const std::string archive = archive_path(directory.path, "web");
        const auto files = list_archive(archive);
        REQUIRE(files);
        for (const auto& file : *files) {
            auto fd = open_archived(archive, file.number);
            REQUIRE(fd);
            collect(unpacked(sys::read_fd(fd->get(), 64U << 20).value()), lines);
        }
        collect(raw(), lines);
        return lines;
    }
    [[nodiscard]] std::string raw() const { return directory.raw(); }

    static std::string unpacked(std::string bytes) {
        if (!bytes.starts_with("\x28\xb5\x2f\xfd")) return bytes;
        std::string text(64U << 20, '\0');
        const std::size_t size =
            ::ZSTD_decompress(text.data(), text.size(), bytes.data(), bytes.size());
        REQUIRE(::ZSTD_isError(size) == 0);
        text.resize(size);
        return text;
    }
    static void collect(const std::string& text, std::vector<std::string>& lines) {
        std::istringstream stream(text);
        for (std::string raw; std::getline(stream, raw);) {
            const auto line = parse_log_line(raw);
            REQUIRE(line);
            if (line->mark != LineMark::kLogger) lines.emplace_back(line->text);
        }
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

// What comes next may be its rest, or, after a death in the middle of a write, the whole block again.
TEST_CASE("log: a line that a death left unended stays alone", "[logger]") {
    Written first;
    first.append("half a ");
    UnitLog again("web");
    again.append(first.shared, first.settings, "line\nnext\n", LineMark::kOutput, moment());
    CHECK(first.directory.content() == kStamp + "half a \n" + kStamp + "line\n" + kStamp + "next\n");
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
    REQUIRE(::symlink("/tmp/jailsvc-elsewhere", (written.directory.path + "/web.log").c_str()) ==
            0);
    const auto reader = written.log.open_reader(written.shared, written.settings, 0);
    REQUIRE_FALSE(reader);
    CHECK(reader.error().code == ELOOP);
    written.append("kept\n");
    CHECK_FALSE(written.log.ring_empty());
    CHECK(::access("/tmp/jailsvc-elsewhere", F_OK) == -1);
    REQUIRE(::unlink((written.directory.path + "/web.log").c_str()) == 0);
    CHECK(written.log.flush_ring(written.shared, written.settings));
    CHECK(written.directory.content() == kStamp + "kept\n");
}

TEST_CASE("log: a full file is rotated at a line's end, and the old ones compressed", "[logger]") {
    Written written;
    written.settings.max_size = 64 << 10;
    written.settings.keep = 1000;
    std::vector<std::string> expected;
    std::string pending;
    for (int i = 0; i < 5000; ++i) {
        expected.push_back("line " + std::to_string(i) + std::string(80, 'x'));
        pending += expected.back() + "\n";
        // Blocks end within lines.
        if (pending.size() > 3000) {
            written.append(std::string_view(pending).substr(0, 3000));
            pending.erase(0, 3000);
        }
    }
    written.append(pending);
    CHECK(written.all_lines() == expected);
    written.shared.archivist.wait();
    const auto files = list_archive(archive_path(written.directory.path, "web"));
    REQUIRE(files);
    CHECK(files->size() >= 6);
    for (const auto& file : *files) {
        CHECK((file.compressed && !file.plain && !file.half_made));
    }
    CHECK(written.all_lines() == expected);
}

TEST_CASE("log: it is rotated when its first line is too old", "[logger]") {
    Written written;
    written.settings.max_age_s = 60;
    written.settings.compress = 0;
    written.append("old\n");
    written.append("not so old\n", 59);
    CHECK(list_archive(archive_path(written.directory.path, "web"))->empty());
    written.append("new\n", 60);
    CHECK(list_archive(archive_path(written.directory.path, "web"))->size() == 1);
    CHECK(written.raw().find("old") == std::string::npos);
    SECTION("also by a logger that did not write it") {
        UnitLog again("web");
        again.append(written.shared, written.settings, "newer\n", LineMark::kOutput, moment(119));
        again.append(written.shared, written.settings, "newest\n", LineMark::kOutput, moment(120));
        CHECK(list_archive(archive_path(written.directory.path, "web"))->size() == 2);
        CHECK(written.all_lines() ==
              std::vector<std::string>{"old", "not so old", "new", "newer", "newest"});
    }
}

TEST_CASE("log: of rotated files only so many are kept", "[logger]") {
    Written written;
    written.settings.max_age_s = 1;
    written.settings.keep = GENERATE(0U, 2U);
    written.settings.compress = GENERATE(std::uint8_t{0}, std::uint8_t{1});
    for (unsigned i = 0; i < 6; ++i) written.append("line " + std::to_string(i) + "\n", i);
    written.shared.archivist.wait();
    const auto lines = written.all_lines();
    REQUIRE(lines.size() == written.settings.keep + 1);
    CHECK(lines.back() == "line 5");
    const auto reader = written.log.open_reader(written.shared, written.settings, 0);
    REQUIRE(reader);
    CHECK(reader->number == 6);
    CHECK(reader->oldest == 6 - written.settings.keep);
    if (written.settings.keep > 0) {
        CHECK(written.log.open_reader(written.shared, written.settings, reader->oldest));
    }
    const auto gone = written.log.open_reader(written.shared, written.settings, 1);
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code == ENOENT);
}

TEST_CASE("log: what a killed logger left of rotating is taken up", "[logger]") {
    Written written;
    written.settings.max_age_s = 1;
    written.settings.compress = 0;
    for (unsigned i = 0; i < 4; ++i) written.append("line " + std::to_string(i) + "\n", i);
    written.shared.archivist.wait();
    const std::string old = archive_path(written.directory.path, "web") + "/";
    const std::string current = written.directory.path + "/web.log";
    const auto expected = written.all_lines();
    written.settings.compress = 1;
    written.settings.max_age_s = 0;

    SECTION("killed between the rename and the new file") {
        REQUIRE(::rename(current.c_str(), (old + archived_name(4)).c_str()) == 0);
    }
    SECTION("killed while compressing") {
        std::ofstream(old + archived_name(2) + ".zst.tmp") << "half";
    }
    SECTION("killed between compressing and removing the plain file") {
        const Fd directory = sys::open(old, O_RDONLY | O_DIRECTORY).value();
        const std::string name = archived_name(2);
        const std::string copy = sys::read_file(old + name).value();
        REQUIRE(compress_file(directory.get(), name, [] { return true; }));
        std::ofstream(old + name) << copy;
    }
    SECTION("given up in the middle") {
        const Fd directory = sys::open(old, O_RDONLY | O_DIRECTORY).value();
        const auto done = compress_file(directory.get(), archived_name(2), [] { return false; });
        REQUIRE_FALSE(done);
        CHECK(done.error().code == ECANCELED);
    }
    UnitLog again("web");
    again.append(written.shared, written.settings, "after\n", LineMark::kOutput, moment(9));
    written.shared.archivist.wait();
    const auto files = list_archive(old).value();
    for (const auto& file : files) {
        CHECK((file.compressed && !file.plain && !file.half_made));
    }
    auto all = expected;
    all.emplace_back("after");
    CHECK(written.all_lines() == all);
    const auto reader = again.open_reader(written.shared, written.settings, 0);
    REQUIRE(reader);
    CHECK(reader->number == files.back().number + 1);
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
