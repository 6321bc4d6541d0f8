#include "jailer/loop/uids.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/sys.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

struct Folder {
    Folder() { REQUIRE(::mkdtemp(path) != nullptr); }
    ~Folder() { std::filesystem::remove_all(path); }
    [[nodiscard]] std::string file() const { return std::string(path) + "/uids"; }
    char path[32] = "/tmp/jailsvc-uids-XXXXXX";
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
    CHECK(lists_id(file, 61184).value());
    CHECK(lists_id(file, 5).value());
    for (const uid_t id : {70U, 61190U, 6118U, 611840U}) CHECK_FALSE(lists_id(file, id).value());
    CHECK_FALSE(lists_id(file + ".absent", 0).value());
    CHECK_FALSE(lists_id("/", 0));  // what cannot be read tells nothing
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
    std::filesystem::remove_all(folder.path);
    CHECK_FALSE(uids.allocate("web"));
    std::filesystem::create_directory(folder.path);
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
