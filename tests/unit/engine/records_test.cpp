#include "engine/records.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "ipc/channel.hpp"

using namespace jailsvc;
using namespace jailsvc::engine;

namespace {

Fd state_memfd() {
    Fd memfd(::memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(memfd.get(), ipc::kStateSize) == 0);
    REQUIRE(::fcntl(memfd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return memfd;
}

Fd again(const Fd& memfd) {
    return Fd(::fcntl(memfd.get(), F_DUPFD_CLOEXEC, 3));
}

Records open(const Fd& memfd) {
    auto records = Records::open(again(memfd));
    REQUIRE(records);
    return std::move(*records);
}

Records::Entry entry(const char* unit, std::uint64_t token) {
    Records::Entry made;
    ipc::set_text(made.record.unit, unit);
    made.record.state = service::State::kRunning;
    made.record.main_token = token;
    return made;
}

void overwrite(const Fd& memfd, std::size_t at, std::size_t size) {
    const std::string noise(size, '\x5a');
    REQUIRE(::pwrite(memfd.get(), noise.data(), size, static_cast<off_t>(at)) ==
            static_cast<ssize_t>(size));
}

constexpr std::size_t kFirst = 4096;  ///< the first record's place
constexpr std::size_t kSlots = kFirst + Records::kShortName;

}  // namespace

TEST_CASE("records: what one engine wrote the next one reads", "[engine]") {
    const Fd memfd = state_memfd();
    {
        Records records = open(memfd);
        CHECK(records.load().empty());
        REQUIRE(records.save(entry("web", 7)));
        REQUIRE(records.save(entry("db", 8)));
        REQUIRE(records.save(entry("web", 9)));
        records.erase("db");
        records.set_booted();
    }
    Records records = open(memfd);
    const auto found = records.load();
    REQUIRE(found.size() == 1);
    CHECK(std::string(found[0].record.unit) == "web");
    CHECK(found[0].record.main_token == 9);
    CHECK(records.booted());
    CHECK_FALSE(records.find("db"));
}

TEST_CASE("records: a name may be as long as names may be", "[engine]") {
    const Fd memfd = state_memfd();
    const std::string shorter(Records::kShortName - 1, 'x');
    const std::string fits(Records::kShortName, 'x');
    const std::string longest(Records::kNameSize - 1, 'x');
    const auto token_of = [](const Records& records, const std::string& unit) {
        return records.find(unit).value_or(Records::Entry{}).record.main_token;
    };
    {
        Records records = open(memfd);
        REQUIRE(records.save(entry(shorter.c_str(), 1)));
        REQUIRE(records.save(entry(fits.c_str(), 2)));
        REQUIRE(records.save(entry(longest.c_str(), 3)));
        records.erase(longest);
        REQUIRE(records.save(entry((fits + "y").c_str(), 4)));  // in its place
        REQUIRE(records.save(entry(longest.c_str(), 5)));
    }
    Records records = open(memfd);
    CHECK(records.load().size() == 4);
    CHECK(token_of(records, shorter) == 1);
    CHECK(token_of(records, fits) == 2);
    CHECK(token_of(records, fits + "y") == 4);
    CHECK(token_of(records, longest) == 5);
    CHECK(token_of(records, fits + "z") == 0);
}

TEST_CASE("records: a long name that is damaged is not believed", "[engine]") {
    const Fd memfd = state_memfd();
    const std::string longest(Records::kNameSize - 1, 'x');
    REQUIRE(open(memfd).save(entry(longest.c_str(), 1)));
    CHECK(open(memfd).load().size() == 1);
    overwrite(memfd, Records::kNamesAt + 100, 4);
    CHECK(open(memfd).load().empty());
}

TEST_CASE("records: a torn write leaves the record before it", "[engine]") {
    const Fd memfd = state_memfd();
    {
        Records records = open(memfd);
        REQUIRE(records.save(entry("web", 1)));  // first slot
        REQUIRE(records.save(entry("web", 2)));  // second slot
    }
    SECTION("without damage the newer one counts") {
        CHECK(open(memfd).load().at(0).record.main_token == 2);
    }
    SECTION("damage anywhere in the newer one") {
        overwrite(memfd, kSlots + Records::kSlotSize + GENERATE(0U, 8U, 100U, 152U, 156U), 4);
        CHECK(open(memfd).load().at(0).record.main_token == 1);
    }
    SECTION("damage in the name: neither is believed") {
        overwrite(memfd, kFirst, 4);
        CHECK(open(memfd).load().empty());
    }
    SECTION("both damaged: forgotten, and the place is used again") {
        overwrite(memfd, kSlots + 50, 4);
        overwrite(memfd, kSlots + Records::kSlotSize + 50, 4);
        Records records = open(memfd);
        CHECK(records.load().empty());
        REQUIRE(records.save(entry("db", 3)));
        CHECK(open(memfd).load().at(0).record.main_token == 3);
    }
}

TEST_CASE("records: a text is the one of its record, or none", "[engine]") {
    const Fd memfd = state_memfd();
    auto failed = entry("web", 1);
    ipc::set_text(failed.record.because, "exit status 1");
    auto worse = entry("web", 2);
    ipc::set_text(worse.record.because, "exit status 2");
    {
        Records records = open(memfd);
        REQUIRE(records.save(failed));
        REQUIRE(records.save(worse));
        CHECK(std::string(records.find("web")->record.because) == "exit status 2");
    }
    CHECK(std::string(open(memfd).load().at(0).record.because) == "exit status 2");
    SECTION("a record without one hides it") {
        Records records = open(memfd);
        (void)records.load();
        REQUIRE(records.save(entry("web", 3)));
        CHECK(std::string(open(memfd).load().at(0).record.because).empty());
    }
    SECTION("a torn write leaves the text before it") {
        overwrite(memfd, kSlots + Records::kSlotSize, 4);
        CHECK(std::string(open(memfd).load().at(0).record.because) == "exit status 1");
    }
    SECTION("a damaged one is left out") {
        overwrite(memfd, Records::kTextsAt + sizeof failed.record.because, 4);
        const auto found = open(memfd).load();
        CHECK(found.at(0).record.main_token == 2);
        CHECK(std::string(found.at(0).record.because).empty());
    }
}

TEST_CASE("records: what an engine of another format wrote is refused", "[engine]") {
    const Fd memfd = state_memfd();
    open(memfd).set_booted();
    REQUIRE(Records::open(again(memfd)));
    const auto format = GENERATE(0U, 99U);  // before there were numbers; a later one
    REQUIRE(::pwrite(memfd.get(), &format, sizeof format, Records::kFormatAt) == sizeof format);
    const auto refused = Records::open(again(memfd));
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Catch::Contains("another version"));
}

TEST_CASE("records: values that this build does not know are forgotten", "[engine]") {
    const Fd memfd = state_memfd();
    Records records = open(memfd);
    auto strange = entry("web", 1);
    SECTION("a state") {
        strange.record.state = static_cast<service::State>(99);
    }
    SECTION("a name") {
        ipc::set_text(strange.record.unit, "../etc");
    }
    SECTION("a name without end") {
        std::memset(strange.record.unit, 'x', sizeof strange.record.unit);
    }
    (void)records.save(strange);
    CHECK(open(memfd).load().empty());
}

TEST_CASE("records: a token is never handed out again, however the engine ends", "[engine]") {
    const Fd memfd = state_memfd();
    service::Token highest = 0;
    for (int life = 0; life < 4; ++life) {
        Records records = open(memfd);
        (void)records.load();
        const service::Token first = records.first_free_token();
        CHECK(first > highest);
        for (highest = first; highest < first + 3000; ++highest) records.reserve(highest);
    }
}

TEST_CASE("records: all places taken is told, and a freed one is used", "[engine]") {
    const Fd memfd = state_memfd();
    Records records = open(memfd);
    for (std::size_t i = 0; i < ipc::kMaxUnits; ++i) {
        REQUIRE(records.save(entry(fmt::format("u{}", i).c_str(), i + 1)));
    }
    CHECK_FALSE(records.save(entry("more", 1)));
    records.erase("u5");
    CHECK(records.save(entry("more", 1)));
}

TEST_CASE("records: a memfd that is too small or can shrink is refused", "[engine]") {
    Fd small(::memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    CHECK_FALSE(Records::open(again(small)));
    REQUIRE(::ftruncate(small.get(), ipc::kStateSize) == 0);
    CHECK_FALSE(Records::open(again(small)));
    REQUIRE(::fcntl(small.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    CHECK(Records::open(again(small)));
}
