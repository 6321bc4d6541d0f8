#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "logger/archivist.hpp"
#include "written.hpp"

using namespace jailsvc;
using namespace jailsvc::logger;
using namespace jailsvc::logger::test;

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
    const auto files = list_archive(archive_path(written.directory.path(), "web"));
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
    CHECK(list_archive(archive_path(written.directory.path(), "web"))->empty());
    written.append("new\n", 60);
    CHECK(list_archive(archive_path(written.directory.path(), "web"))->size() == 1);
    CHECK(written.raw().find("old") == std::string::npos);
    SECTION("also by a logger that did not write it") {
        UnitLog again("web");
        again.append(written.shared, written.settings, "newer\n", LineMark::kOutput, moment(119));
        again.append(written.shared, written.settings, "newest\n", LineMark::kOutput, moment(120));
        CHECK(list_archive(archive_path(written.directory.path(), "web"))->size() == 2);
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
    const std::string old = archive_path(written.directory.path(), "web") + "/";
    const std::string current = written.directory.path() + "/web.log";
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
