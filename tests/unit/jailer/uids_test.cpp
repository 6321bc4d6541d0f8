#include "jailer/loop/uids.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/sys.hpp"
#include "jailer/loop/accounts.hpp"
#include "jailer/loop/id_ranges.hpp"
#include "temp_folder.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

struct Folder : jailsvc::test::TempFolder {
    Folder() : TempFolder("uids") {}
    [[nodiscard]] std::string file() const { return at("uids"); }
};

constexpr Uids::Range kThree{100, 102};
bool nobody(uid_t) {
    return false;
}

Uids open_uids(const Folder& folder, Uids::InUse in_use = nobody) {
    auto uids = Uids::open(folder.file(), kThree, std::move(in_use));
    REQUIRE(uids);
    return std::move(*uids);
}

}  // namespace

TEST_CASE("uids: a unit keeps its uid, also over a restart of the jailer", "[jailer][S4.2]") {
    const Folder folder;
    uid_t web = 0;
    {
        auto uids = open_uids(folder);
        web = uids.allocate("web").value();
        CHECK(uids.allocate("db").value() != web);
        CHECK(uids.allocate("web").value() == web);
    }
    auto again = open_uids(folder);
    CHECK(again.allocate("web").value() == web);
    const uid_t third = again.allocate("worker@3").value();
    CHECK(third != web);
    CHECK(third != again.allocate("db").value());
}

TEST_CASE("uids: a uid that the system knows is passed over", "[jailer][S4.2]") {
    const Folder folder;
    auto uids = open_uids(folder, [](uid_t uid) { return uid == 100 || uid == 101; });
    CHECK(uids.allocate("web").value() == 102);
}

TEST_CASE("uids: local accounts are known by their number alone", "[jailer][S4.2]") {
    const Folder folder;
    const std::string file = folder.file();
    REQUIRE(sys::replace_file(file,
                              "root:x:0:0::/root:/bin/sh\nweb:x:61184:70::/:\nbroken\n"
                              "61190:x:5:\n:::\n"));
    CHECK(lists_id(file, {61184, 1}).value());
    CHECK(lists_id(file, {5, 1}).value());
    CHECK(lists_id(file, {61000, 200}).value());
    for (const uid_t id : {70U, 61190U, 6118U, 611840U}) {
        CHECK_FALSE(lists_id(file, {id, 1}).value());
    }
    CHECK_FALSE(lists_id(file + ".absent", {0, 1}).value());
    CHECK_FALSE(lists_id("/", {0, 1}));  // what cannot be read tells nothing
}

TEST_CASE("uids: no uid is given while accounts cannot be read", "[jailer][S4.2]") {
    const Folder folder;
    auto uids = open_uids(folder, [](uid_t) -> Result<bool> { return fail("unreadable"); });
    CHECK(uids.allocate("web").error().message == "unreadable");
}

TEST_CASE("uids: an exhausted range is an error that names the cure", "[jailer][S4.21]") {
    const Folder folder;
    auto uids = open_uids(folder);
    for (const char* unit : {"a", "b", "c"}) REQUIRE(uids.allocate(unit));
    const auto fourth = uids.allocate("d");
    REQUIRE_FALSE(fourth);
    CHECK(fourth.error().message.find("fixed") != std::string::npos);
    CHECK(uids.allocate("a"));
}

TEST_CASE("uids: a damaged file is refused and never overwritten", "[jailer][S4.2]") {
    const Folder folder;
    const std::string text =
        GENERATE("web\n", "web x\n", "web 100 1\n", "web 100\ndb 100\n", "web 100\nweb 101\n",
                 "../x 100\n", "web 99999999999\n", "\n");
    REQUIRE(sys::replace_file(folder.file(), text));
    CHECK_FALSE(Uids::open(folder.file(), kThree, nobody));
    CHECK(sys::read_file(folder.file()).value() == text);
}

TEST_CASE("uids: a uid that cannot be written down is not given", "[jailer][S4.2]") {
    const Folder folder;
    auto uids = open_uids(folder);
    std::filesystem::remove_all(folder.path());
    CHECK_FALSE(uids.allocate("web"));
    std::filesystem::create_directory(folder.path());
    CHECK(uids.allocate("web").value() == 100);
}

TEST_CASE("uids: several units get theirs together, or none does", "[jailer][S4.2]") {
    const Folder folder;
    auto uids = open_uids(folder);
    REQUIRE(uids.allocate(std::vector<std::string>{"web", "db", "web"}));
    CHECK(uids.allocate("web").value() == 100);
    CHECK(uids.allocate("db").value() == 101);
    CHECK_FALSE(uids.allocate(std::vector<std::string>{"db", "cache", "mail"}));
    CHECK_FALSE(uids.has("cache"));
    CHECK(uids.allocate("mail").value() == 102);
    CHECK(open_uids(folder).has("mail"));
}

TEST_CASE("uids: those of the supervisor's own processes are no unit's", "[jailer][S4.2]") {
    const Folder folder;
    for (const std::uint32_t own : {62996U, 62997U, 62998U, 62999U}) {
        CHECK(ids_in_use({own, 1}, folder.path()).value());
        CHECK(is_our_own_id(own));
    }
    CHECK_FALSE(ids_in_use({62995, 1}, folder.path()).value());  // control
    CHECK_FALSE(ids_in_use({63000, 1}, folder.path()).value());
    REQUIRE(sys::replace_file(folder.file(), "web 61184\nold 62998\n"));
    const auto refused = Uids::open(folder.file());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("uid 62998 of unit old") != std::string::npos);
    REQUIRE(sys::replace_file(folder.file(), "web 61184\nold 62995\n"));
    CHECK(Uids::open(folder.file()));  // control
}

TEST_CASE("uids: what users were given for namespaces of theirs is in use", "[jailer][S4.2]") {
    const Folder folder;
    const std::string etc = folder.path();
    REQUIRE(sys::replace_file(etc + "/subuid", "joe:100000:65536\nbroken\nann:x:1\n"));
    REQUIRE(sys::replace_file(etc + "/subgid", "joe:700000:10\n"));
    CHECK(ids_in_use({100000, 1}, etc).value());
    CHECK(ids_in_use({165535, 1}, etc).value());
    CHECK(ids_in_use({65536, 65536}, etc).value());
    CHECK(ids_in_use({700009, 1}, etc).value());
    CHECK_FALSE(ids_in_use({165536, 500000}, etc).value());
    CHECK_FALSE(ids_in_use({700010, 1}, etc).value());
    REQUIRE(sys::replace_file(etc + "/group", "web:x:700010:\n"));
    CHECK(ids_in_use({700010, 1}, etc).value());
}

TEST_CASE("uids: a user namespace has a range that is nobody else's, for ever", "[jailer][S4.2]") {
    const Folder folder;
    const auto taken = [](uid_t number) { return number == 9; };
    std::uint32_t web = 0;
    {
        auto ranges = IdRanges::open(folder.file(), {8, 10}, taken);
        REQUIRE(ranges);
        web = ranges->first_of("web").value();
        CHECK(web == 8 * kRangeSize);
        CHECK(ranges->first_of("db").value() == 10 * kRangeSize);  // not 9
        const auto third = ranges->first_of("mail");
        REQUIRE_FALSE(third);
        CHECK(third.error().message.find("uid_map") != std::string::npos);
    }
    auto again = IdRanges::open(folder.file(), {8, 10}, taken);
    REQUIRE(again);
    CHECK(again->first_of("db").value() == 10 * kRangeSize);
    CHECK(again->first_of("web").value() == web);
}
