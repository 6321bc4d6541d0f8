#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "planned.hpp"

using jailsvc::test::FakeHost;
using jailsvc::test::planned;
using jailsvc::test::refusal;
using Strings = FakeHost::Strings;
using namespace std::string_literals;

namespace {

/// How many keys of it are refused.
std::size_t refusals(std::map<std::string, FakeHost::Value> keys) {
    FakeHost host;
    host.keys = std::move(keys);
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
    return host.refused;
}

constexpr std::uint64_t bit(unsigned capability) {
    return std::uint64_t{1} << capability;
}

bool supervisor_has(unsigned capability) {
    return ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
}

}  // namespace

TEST_CASE("identity: a dynamic user has no rights at all", "[plugin][identity][S4.14]") {
    const FakeHost host = planned({{"dynamic_user", true}});
    const auto ids = host.of_kind(JSV_OP_IDS);
    REQUIRE(ids.size() == 1);
    CHECK(ids[0].flags == JSV_IDS_DYNAMIC);
    CHECK(ids[0].blob.empty());
    const auto capabilities = host.of_kind(JSV_OP_CAPABILITIES);
    REQUIRE(capabilities.size() == 1);
    for (const std::uint64_t set : capabilities[0].number) CHECK(set == 0);
    CHECK(host.of_kind(JSV_OP_NO_NEW_PRIVS).size() == 1);
    REQUIRE(host.of_kind(JSV_OP_UMASK).size() == 1);
    CHECK(host.of_kind(JSV_OP_UMASK)[0].number[0] == 0022);
    const auto limits = host.of_kind(JSV_OP_RLIMIT);
    REQUIRE(limits.size() == 1);
    CHECK(limits[0].number[0] == RLIMIT_CORE);
    CHECK(limits[0].number[2] == 0);
}

TEST_CASE("identity: who runs as root has said so", "[plugin][identity]") {
    CHECK(refusal({}).starts_with("user: is missing; name one"));
    for (const auto* root : {"root", "0"}) {
        const auto ids = planned({{"user", std::string(root)}}).of_kind(JSV_OP_IDS);
        REQUIRE(ids.size() == 1);
        CHECK(ids[0].number[0] == 0);
        CHECK(ids[0].number[1] == 0);
    }
}

TEST_CASE("identity: what is no user is refused and never root", "[plugin][identity][E33]") {
    for (const auto* text :
         {"", "0x0", "0x3e8", "-1", "+0", " 0", "0 ", "00", "01", "1e3", "4294967295", "4294967296",
          "18446744073709551616", "65535", "a b", "root\n", "../root", "ro:ot"}) {
        INFO('"' << text << '"');
        const std::string why = refusal({{"user", std::string(text)}, {"group", "0"s}});
        CHECK(why.starts_with("user: \""s + text + "\" is neither a user name nor a decimal"));
    }
    CHECK(refusal({{"user", "no-such-user-here"s}}).find("there is no user") != std::string::npos);
}

TEST_CASE("identity: a bare number needs a group beside it", "[plugin][identity]") {
    CHECK(refusal({{"user", "54321"s}}).starts_with("group: user 54321 has no account"));
    const auto ids = planned({{"user", "54321"s}, {"group", "54322"s}}).of_kind(JSV_OP_IDS);
    REQUIRE(ids.size() == 1);
    CHECK(ids[0].number[0] == 54321);
    CHECK(ids[0].number[1] == 54322);
    CHECK(refusal({{"user", "54321"s}, {"group", "0x0"s}}).starts_with("group: \"0x0\""));
    CHECK(refusal({{"user", "54321"s}, {"group", "no-such"s}}).find("there is no group") !=
          std::string::npos);
}

TEST_CASE("identity: a named user brings its group and environment", "[plugin][identity]") {
    const FakeHost host = planned({{"user", "nobody"s}});
    const auto ids = host.of_kind(JSV_OP_IDS);
    REQUIRE(ids.size() == 1);
    CHECK(ids[0].number[0] == 65534);
    CHECK(ids[0].number[1] == 65534);
    const auto* user = host.find(JSV_OP_ENVIRONMENT, "USER");
    REQUIRE(user != nullptr);
    CHECK(user->text[1] == "nobody");
}

TEST_CASE("identity: supplementary groups are sorted and each there once", "[plugin][identity]") {
    const auto ids =
        planned({{"dynamic_user", true}, {"supplementary_groups", Strings{"77", "5", "77"}}})
            .of_kind(JSV_OP_IDS);
    REQUIRE(ids.size() == 1);
    CHECK(ids[0].blob == std::vector<std::uint32_t>{5, 77});
    CHECK(refusal({{"dynamic_user", true}, {"supplementary_groups", Strings{"4294967295"}}})
              .starts_with("supplementary_groups: "));
}

TEST_CASE("identity: dynamic_user stands alone", "[plugin][identity]") {
    CHECK(refusal({{"dynamic_user", true}, {"user", "root"s}})
              .starts_with("user: needs dynamic_user = false"));
    CHECK(refusal({{"dynamic_user", true}, {"group", "root"s}}).starts_with("group: a dynamic"));
}

TEST_CASE("identity: capabilities are read in every usual spelling", "[plugin][identity][S4.14]") {
    for (const auto* name : {"net_bind_service", "CAP_NET_BIND_SERVICE", "cap_net_bind_service"}) {
        const auto sets = planned({{"dynamic_user", true},
                                   {"capabilities", Strings{name, "chown"}},
                                   {"ambient_capabilities", Strings{name}}})
                              .of_kind(JSV_OP_CAPABILITIES);
        REQUIRE(sets.size() == 1);
        CHECK(sets[0].number[0] == (bit(CAP_NET_BIND_SERVICE) | bit(CAP_CHOWN)));
        CHECK(sets[0].number[1] == bit(CAP_NET_BIND_SERVICE));
        CHECK(sets[0].number[2] == bit(CAP_NET_BIND_SERVICE));
    }
    const auto roots = planned({{"user", "root"s}, {"capabilities", Strings{"kill"}}})
                           .of_kind(JSV_OP_CAPABILITIES);
    REQUIRE(roots.size() == 1);
    CHECK(roots[0].number[1] == bit(CAP_KILL));
    CHECK(roots[0].number[2] == 0);
    const auto all =
        planned({{"user", "root"s}, {"capabilities", Strings{"all"}}}).of_kind(JSV_OP_CAPABILITIES);
    REQUIRE(all.size() == 1);
    for (unsigned number = 0; number <= CAP_LAST_CAP; ++number) {
        CHECK(((all[0].number[0] & bit(number)) != 0) == supervisor_has(number));
    }
    // The last row of the table is the kernel's last capability.
    if (supervisor_has(CAP_CHECKPOINT_RESTORE)) {
        const auto last =
            planned({{"user", "root"s}, {"capabilities", Strings{"checkpoint_restore"}}})
                .of_kind(JSV_OP_CAPABILITIES);
        CHECK(last[0].number[0] == bit(CAP_CHECKPOINT_RESTORE));
    }

    CHECK(refusal({{"dynamic_user", true}, {"capabilities", Strings{"net_bnd"}}})
              .starts_with("capabilities: there is no capability \"net_bnd\""));
    CHECK(refusal({{"dynamic_user", true}, {"ambient_capabilities", Strings{"kill"}}})
              .starts_with("ambient_capabilities: holds what capabilities does not"));
}

TEST_CASE("identity: what the supervisor lacks it cannot give", "[plugin][identity]") {
    if (supervisor_has(CAP_SYS_RESOURCE)) {
        WARN("skipped: this process has cap_sys_resource");
        return;
    }
    CHECK(refusal({{"user", "root"s}, {"capabilities", Strings{"sys_resource"}}})
              .starts_with("capabilities: \"sys_resource\" is not the supervisor's to give"));
}

TEST_CASE("identity: limits are soft and hard, with suffixes for bytes", "[plugin][identity]") {
    const FakeHost host = planned({{"dynamic_user", true},
                                   {"limits", FakeHost::Map{{"nofile", "512:1024"},
                                                            {"memlock", "64M"},
                                                            {"core", "infinity"},
                                                            {"nproc", "10:infinity"}}}});
    std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> found;
    for (const auto& op : host.of_kind(JSV_OP_RLIMIT)) {
        found[op.number[0]] = {op.number[1], op.number[2]};
    }
    CHECK(found.size() == 4);
    CHECK(found[RLIMIT_NOFILE] == std::pair<std::uint64_t, std::uint64_t>{512, 1024});
    CHECK(found[RLIMIT_MEMLOCK] == std::pair<std::uint64_t, std::uint64_t>{64 << 20, 64 << 20});
    CHECK(found[RLIMIT_CORE] ==
          std::pair<std::uint64_t, std::uint64_t>{RLIM_INFINITY, RLIM_INFINITY});
    CHECK(found[RLIMIT_NPROC] == std::pair<std::uint64_t, std::uint64_t>{10, RLIM_INFINITY});

    for (const auto* bad :
         {"", ":", "1:", ":1", "2:1", "0x10", "-1", "1K", "1:2:3", "infinity:5"}) {
        INFO(bad);
        const auto why =
            refusal({{"dynamic_user", true}, {"limits", FakeHost::Map{{"nofile", bad}}}});
        CHECK(why.starts_with("limits.nofile: \""s + bad + "\" is no limit"));
    }
    CHECK(refusal({{"dynamic_user", true}, {"limits", FakeHost::Map{{"files", "1"}}}})
              .starts_with("limits.files: there is no limit \"files\"; use one of as, core"));
}

TEST_CASE("identity: umask and no_new_privileges are the unit's to change", "[plugin][identity]") {
    const FakeHost host =
        planned({{"dynamic_user", true}, {"umask", "0077"s}, {"no_new_privileges", false}});
    CHECK(host.of_kind(JSV_OP_UMASK)[0].number[0] == 0077);
    CHECK(host.of_kind(JSV_OP_NO_NEW_PRIVS).empty());
    for (const auto* bad : {"", "7", "0800", "1022", "rwx", "000222"}) {
        CHECK(
            refusal({{"dynamic_user", true}, {"umask", std::string(bad)}}).starts_with("umask: "));
    }
}

TEST_CASE("identity: everything that is wrong is told, and of one key once", "[identity]") {
    CHECK(refusals({{"dynamic_user", true}, {"umask", "9"s}}) == 1);
    CHECK(refusals({{"dynamic_user", true},
                    {"umask", "9"s},
                    {"capabilities", Strings{"flying", "swimming"}}}) == 3);
}
