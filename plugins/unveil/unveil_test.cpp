#include <catch2/catch.hpp>

#include "libraries.hpp"
#include "permissions.hpp"
#include "planned.hpp"

using jailsvc::test::FakeHost;
using jailsvc::test::planned;
using jailsvc::test::refusal;
using Strings = FakeHost::Strings;
using Map = FakeHost::Map;
using namespace std::string_literals;

namespace {

// linux/landlock.h
constexpr std::uint64_t kExecute = 1, kWriteFile = 2, kReadFile = 4, kReadDir = 8,
                        kMakeChar = 1 << 6, kMakeReg = 1 << 8, kMakeBlock = 1 << 11,
                        kRefer = 1 << 13, kTruncate = 1 << 14;

std::uint64_t rights_of(const FakeHost& host, const std::string& path) {
    const auto* rule = host.find(JSV_OP_LANDLOCK_PATH, path);
    INFO(path);
    REQUIRE(rule != nullptr);
    return rule->number[0];
}

}  // namespace

TEST_CASE("unveil: a unit without its table is confined by nothing of it", "[plugin][unveil]") {
    CHECK(planned({}).ops.empty());
}

TEST_CASE("unveil: each permission is what OpenBSD's is, as Landlock has it",
          "[plugin][unveil][S2.5]") {
    const FakeHost host = planned(
        {{"*", Map{{"/r", "r"}, {"/w", "w"}, {"/x", "x"}, {"/c", "c"}, {"-/all/", "cxwr"}}}});
    CHECK(rights_of(host, "/r") == (kReadFile | kReadDir));
    CHECK((rights_of(host, "/w") & (kWriteFile | kTruncate)) == (kWriteFile | kTruncate));
    CHECK((rights_of(host, "/w") & (kReadFile | kExecute | kMakeReg)) == 0);
    CHECK(rights_of(host, "/x") == (kExecute | kReadFile));
    CHECK((rights_of(host, "/c") & (kMakeReg | kRefer)) == (kMakeReg | kRefer));
    CHECK((rights_of(host, "/c") & (kWriteFile | kReadFile)) == 0);
    CHECK((rights_of(host, "/all") & (kMakeBlock | kMakeChar)) == 0);  // nobody makes devices
    CHECK(host.find(JSV_OP_LANDLOCK_PATH, "/all")->flags == JSV_MOUNT_OPTIONAL);
    const auto rulesets = host.of_kind(JSV_OP_LANDLOCK);
    REQUIRE(rulesets.size() == 1);
    CHECK((rulesets[0].number[0] & kMakeBlock) != 0);  // by which it is probed
    CHECK(rulesets[0].number[1] == 0);
    CHECK(rulesets[0].number[2] == 0);
    CHECK(rulesets[0].key == "landlock");
}

TEST_CASE("unveil: ports and scopes need no paths", "[plugin][unveil]") {
    const FakeHost host = planned(
        {{"tcp_bind", Strings{"80", "443"}}, {"tcp_connect", Strings{}}, {"scope", "auto"s}});
    const auto rulesets = host.of_kind(JSV_OP_LANDLOCK);
    REQUIRE(rulesets.size() == 1);
    CHECK(rulesets[0].number[0] == 0);
    CHECK(rulesets[0].number[1] == 3);
    CHECK(rulesets[0].number[2] == 1);
    CHECK(rulesets[0].flags == JSV_LANDLOCK_SCOPE_IF_KNOWN);
    const auto ports = host.of_kind(JSV_OP_LANDLOCK_PORT);
    REQUIRE(ports.size() == 2);
    CHECK(ports[1].number[0] == 443);
    CHECK(ports[1].number[1] == 1);
    CHECK(planned({{"scope", "all"s}}).of_kind(JSV_OP_LANDLOCK)[0].number[2] == 3);
    CHECK(planned({{"scope", "all"s}}).of_kind(JSV_OP_LANDLOCK)[0].flags == 0);
    CHECK(planned({{"scope", "none"s}}).ops.empty());
    const FakeHost datagrams =
        planned({{"udp_bind", Strings{"0"}}, {"udp_connect", Strings{"53"}}});
    CHECK(datagrams.of_kind(JSV_OP_LANDLOCK)[0].number[1] == 12);
    CHECK(datagrams.of_kind(JSV_OP_LANDLOCK_PORT)[0].number[1] == 4);
    CHECK(datagrams.of_kind(JSV_OP_LANDLOCK_PORT)[1].number[1] == 8);
}

TEST_CASE("unveil: what is no path, permission or port is refused at its key", "[plugin][unveil]") {
    for (const auto* bad :
         {"etc", "/etc/../root", "/etc//ssl", "//etc", "/./etc", "-etc", "-", "/etc/.."}) {
        INFO(bad);
        CHECK(refusal({{"*", Map{{bad, "r"}}}}).starts_with(bad + ": is no absolute path"s));
    }
    for (const auto* bad : {"R", "rr", "r w", "rwxd", "-"}) {
        INFO(bad);
        CHECK(refusal({{"*", Map{{"/etc", bad}}}}).starts_with("/etc: \""s + bad));
    }
    CHECK(refusal({{"*", Map{{"/proc/self/fd", "r"}}}}).find("use /proc") != std::string::npos);
    CHECK(refusal({{"*", Map{{"/etc", "r"}, {"-/etc", "r"}}}}).find("is there twice") !=
          std::string::npos);
    for (const auto* bad : {"0", "65536", "http", "-1", ""}) {
        INFO(bad);
        CHECK(refusal({{"tcp_connect", Strings{bad}}}).starts_with("tcp_connect: \""));
        CHECK(refusal({{"udp_connect", Strings{bad}}}).starts_with("udp_connect: \""));
    }
    CHECK(refusal({{"scope", "some"s}}).starts_with("scope: unknown scope"));
}

TEST_CASE("unveil: a more specific path may give more", "[plugin][unveil]") {
    const FakeHost host =
        planned({{"*", Map{{"/", "r"}, {"/var/lib/web", "rwc"}, {"/usr", "rx"}}}});
    CHECK(rights_of(host, "/") == (kReadFile | kReadDir));
    CHECK((rights_of(host, "/var/lib/web") & kWriteFile) != 0);
}

namespace {

/// A host whose units have a root of their own.
FakeHost jailed(Map paths) {
    FakeHost host;
    host.keys = {{"*", std::move(paths)}};
    host.other_flags["namespaces.mount"] = true;
    return host;
}

}  // namespace

TEST_CASE("unveil: in a mount namespace nothing else exists", "[plugin][unveil][S2.5]") {
    FakeHost host = jailed({{"/srv", "rwc"}, {"/srv/keys", "r"}, {"/usr", "rx"}, {"/etc", "rw"}});
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.of_kind(JSV_OP_VIEW).size() == 1);
    const auto flags = [&](const char* path) { return host.find(JSV_OP_REVEAL, path)->flags; };
    CHECK(flags("/srv") == JSV_MOUNT_NOEXEC);
    CHECK(flags("/srv/keys") == (JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOEXEC));
    CHECK(flags("/usr") == JSV_MOUNT_READ_ONLY);
    CHECK(flags("/etc") == JSV_MOUNT_NOEXEC);
    CHECK(host.find(JSV_OP_REVEAL, "/srv") < host.find(JSV_OP_REVEAL, "/srv/keys"));
    SECTION("unless there is none, or it is not wanted") {
        host.other_flags.clear();
        CHECK(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);  // keys may do less than srv
        host.keys["*"] = Map{{"/srv", "r"}};
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        CHECK(host.of_kind(JSV_OP_VIEW).empty());
        CHECK(host.of_kind(JSV_OP_LANDLOCK).size() == 1);
        host.keys["landlock"] = false;
        CHECK(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
        CHECK(host.failed_key == "landlock");
        host.other_flags["namespaces.mount"] = true;
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        CHECK(host.of_kind(JSV_OP_LANDLOCK).empty());
        host.other_texts["chroot.mode"] = "none";
        CHECK(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
    }
}

TEST_CASE("unveil: permissions that would not hold below others are refused",
          "[plugin][unveil][S2.5]") {
    const auto rejected = [](const char* inner) {
        FakeHost host = jailed({{"/a", "rwxc"}, {"/a/b", inner}});
        return host.plan(*jailsvc_plugin_entry()) == -ECANCELED && host.failed_key == "/a/b";
    };
    for (const char* holds : {"rwxc", "rwc", "r", "rx", ""}) {
        INFO(holds);
        CHECK_FALSE(rejected(holds));
    }
    for (const char* does_not : {"rw", "rc", "wc", "x", "w"}) {
        INFO(does_not);
        CHECK(rejected(does_not));
    }
    FakeHost empty = jailed({{"/a", "r"}, {"/a/b", ""}, {"/a/b/c", "r"}});
    CHECK(empty.plan(*jailsvc_plugin_entry()) == -ECANCELED);
    CHECK(empty.failed_key == "/a/b/c");
    FakeHost masked = jailed({{"/a", "r"}, {"/a/b", ""}, {"/c", ""}});
    REQUIRE(masked.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(masked.find(JSV_OP_MASK, "/a/b") != nullptr);
    CHECK(masked.find(JSV_OP_MASK, "/c") == nullptr);
}

TEST_CASE("unveil: programs come with their loader and libraries", "[plugin][unveil]") {
    FakeHost host = jailed({{"/etc", "r"}});
    host.keys["libraries"] = true;
    host.programs = {"/proc/self/exe"};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    bool libc = false, loader = false;
    for (const auto& op : host.of_kind(JSV_OP_REVEAL)) {
        libc = libc || op.text[0].find("libc.so") != std::string::npos;
        loader = loader || op.text[0].find("ld-") != std::string::npos;
        if (op.text[0] != "/etc") CHECK(op.flags == (JSV_MOUNT_READ_ONLY | JSV_MOUNT_OPTIONAL));
    }
    CHECK(libc);
    CHECK(loader);
    SECTION("where the unit has not said so itself") {
        host.keys["*"] = Map{{"/", "rx"}};
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        CHECK(host.of_kind(JSV_OP_REVEAL).size() == 1);
    }
    SECTION("and only where they are asked for") {
        host.keys.erase("libraries");
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        CHECK(host.of_kind(JSV_OP_REVEAL).size() == 1);
    }
}

TEST_CASE("unveil: a hostile cache of libraries is read within its bounds", "[plugin][unveil]") {
    const std::string magic = "glibc-ld.so.cache1.1";
    CHECK(unveil::find_in_cache("", "libc.so.6").empty());
    CHECK(unveil::find_in_cache(magic, "libc.so.6").empty());
    std::string bytes = magic + std::string(28, '\xff');  // a count without end, and no entries
    CHECK(unveil::find_in_cache(bytes, "libc.so.6").empty());
    bytes += std::string(24, '\xff');  // offsets beyond the end
    CHECK(unveil::find_in_cache(bytes, "libc.so.6").empty());
}
