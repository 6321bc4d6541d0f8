#include <catch2/catch.hpp>

#include "planned.hpp"

using jailsvc::test::FakeHost;
using jailsvc::test::Keys;
using jailsvc::test::planned_by;
using jailsvc::test::refusal_by;
using Strings = FakeHost::Strings;
using namespace std::string_literals;

namespace {

constexpr std::uint32_t kSafe = JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV;

/// A host as a jailed unit has it: with a mount namespace, beside a supervisor that has secrets.
FakeHost with(Keys keys) {
    FakeHost host;
    host.keys = std::move(keys);
    host.other_flags["namespaces.mount"] = true;
    host.private_directories = {"/run/jailsvc", "/var/lib/jailsvc"};
    return host;
}

FakeHost planned(Keys keys) {
    return planned_by(with(std::move(keys)));
}

std::string refusal(Keys keys) {
    return refusal_by(with(std::move(keys)));
}

/// Position of an operation, for what must come before what.
std::ptrdiff_t index_of(const FakeHost& host, unsigned kind, const std::string& text) {
    const auto* op = host.find(kind, text);
    INFO(kind << " " << text);
    REQUIRE(op != nullptr);
    return op - host.ops.data();
}

}  // namespace

TEST_CASE("chroot: by default the host is there, read-only, without what is private",
          "[plugin][chroot][S2.3][S2.5][S4.4]") {
    const FakeHost host = planned({});
    REQUIRE(!host.ops.empty());
    CHECK(host.ops[0].kind == JSV_OP_ROOT);
    CHECK(host.ops[0].text[0] == "/");
    CHECK(host.ops[0].flags == (kSafe | JSV_MOUNT_READ_ONLY));
    for (const auto* path : {"/home", "/root", "/boot", "/run/jailsvc", "/var/lib/jailsvc",
                             "/proc/kcore", "/proc/sysrq-trigger", "/sys/firmware"}) {
        INFO(path);
        CHECK(host.find(JSV_OP_MASK, path) != nullptr);
    }
    for (const auto* path : {"/run", "/tmp", "/var/tmp"}) {
        INFO(path);
        REQUIRE(host.find(JSV_OP_TMPFS, path) != nullptr);
        CHECK((host.find(JSV_OP_TMPFS, path)->flags & kSafe) == kSafe);
    }
    CHECK(host.find(JSV_OP_READ_ONLY, "/proc/sys") != nullptr);
    CHECK(host.find(JSV_OP_DEV, "/dev") != nullptr);
    REQUIRE(host.find(JSV_OP_PROC, "/proc") != nullptr);
    CHECK(host.find(JSV_OP_PROC, "/proc")->number[0] == 2);
    for (const auto& op : host.ops) CHECK(op.stage == JSV_STAGE_MOUNTS);
}

TEST_CASE("chroot: a jail tells its service whose it is", "[plugin][chroot][S2.12]") {
    const FakeHost host = planned({});
    const auto* notice = host.find(JSV_OP_FILE, "/run/host/jailsvc");
    REQUIRE(notice != nullptr);
    CHECK(notice->text[1] == "unit=web\nprofile=default\n");
    CHECK(index_of(host, JSV_OP_TMPFS, "/run") < index_of(host, JSV_OP_FILE, "/run/host/jailsvc"));
}

TEST_CASE("chroot: an empty list replaces what is hidden by default", "[plugin][chroot]") {
    const FakeHost host = planned({{"hide", Strings{}}});
    CHECK(host.find(JSV_OP_MASK, "/home") == nullptr);
    CHECK(host.find(JSV_OP_MASK, "/boot") != nullptr);
    CHECK(planned({}).find(JSV_OP_MASK, "/home") != nullptr);  // the control
    SECTION("but to a core that cannot tell it from none") {
        FakeHost older = with({{"hide", Strings{}}});
        older.size = offsetof(jsv_host, has_key);
        REQUIRE(older.plan(*jailsvc_plugin_entry()) == 0);
        CHECK(older.find(JSV_OP_MASK, "/home") != nullptr);
        CHECK(older.find(JSV_OP_FILE, "/run/host/jailsvc")->text[1] == "unit=web\nprofile=\n");
    }
}

TEST_CASE("chroot: a mode other than none needs a mount namespace", "[plugin][chroot]") {
    FakeHost host = with({});
    host.other_flags.clear();
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
    CHECK(host.failed_key == "mode");
    CHECK(host.failure.find("add mount = true") != std::string::npos);
    host.keys = {{"mode", "none"s}};
    CHECK(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
}

TEST_CASE("chroot: a key its mode cannot honour is refused", "[plugin][chroot]") {
    CHECK(refusal({{"mode", "overlay"s}}).starts_with("mode: unknown mode \"overlay\""));
    CHECK(refusal({{"root", "/srv"s}}) == "root: needs mode = \"directory\"");
    CHECK(refusal({{"read_only", false}}).starts_with("read_only: the host's tree is never"));
    CHECK(refusal({{"mode", "directory"s}}).starts_with("root: is needed by mode"));
    CHECK(refusal({{"mode", "directory"s}, {"root", "/"s}}).starts_with("root: is the host's"));
    CHECK(refusal({{"proc", "some"s}}).starts_with("proc: unknown value \"some\""));
    for (const auto* key : {"binds", "binds_ro", "tmpfs", "masked", "devices"}) {
        CHECK(refusal({{"mode", "none"s}, {key, Strings{"/srv"}}})
                  .starts_with(key + ": has no effect"s));
    }
}

TEST_CASE("chroot: an image is the root, read-only unless told otherwise", "[plugin][chroot]") {
    Keys keys = {{"mode", "directory"s}, {"root", "/srv/web/"s}};
    const FakeHost host = planned(keys);
    CHECK(host.ops[0].text[0] == "/srv/web");
    CHECK(host.ops[0].flags == (kSafe | JSV_MOUNT_READ_ONLY));
    CHECK(host.find(JSV_OP_MASK, "/home") == nullptr);
    CHECK(host.find(JSV_OP_MASK, "/sys/firmware") == nullptr);
    keys["read_only"] = false;
    CHECK(planned(keys).ops[0].flags == kSafe);
}

TEST_CASE("chroot: binds go where they say, outer ones first", "[plugin][chroot]") {
    const FakeHost host = planned({{"binds", Strings{"/srv/a/b:/data/in", "-/opt/maybe"}},
                                   {"binds_ro", Strings{"/srv/a:/data"}}});
    const auto* outer = host.find(JSV_OP_BIND, "/srv/a");
    const auto* inner = host.find(JSV_OP_BIND, "/srv/a/b");
    REQUIRE(outer != nullptr);
    REQUIRE(inner != nullptr);
    CHECK(outer < inner);
    CHECK(outer->text[1] == "/data");
    CHECK(outer->flags == (kSafe | JSV_MOUNT_READ_ONLY));
    CHECK(inner->flags == kSafe);
    REQUIRE(host.find(JSV_OP_BIND, "/opt/maybe") != nullptr);
    CHECK(host.find(JSV_OP_BIND, "/opt/maybe")->flags == (kSafe | JSV_MOUNT_OPTIONAL));
}

TEST_CASE("chroot: paths that could mean something else are refused", "[plugin][chroot][S2.5]") {
    for (const auto* bad : {"", "srv", "/srv/../etc", "/srv/./x", "//srv", "/srv//x",
                            "/srv:", ":/x", "/srv:/x:/y/..", "/srv:rel"}) {
        INFO(bad);
        CHECK(refusal({{"binds", Strings{bad}}}).starts_with("binds: \""));
    }
    for (const auto* own : {"/", "/proc", "/proc/sys", "/dev", "/run", "/run/host/jailsvc"}) {
        INFO(own);
        CHECK(refusal({{"binds_ro", Strings{"/srv:"s + own}}}).find("is the jail's own") !=
              std::string::npos);
        CHECK(refusal({{"tmpfs", Strings{own}}}).find("is the jail's own") != std::string::npos);
    }
    CHECK(refusal({{"masked", Strings{"/"}}}).starts_with("masked: \"/\" would leave nothing"));
    CHECK(refusal({{"devices", Strings{"/etc/passwd"}}}).find("not below /dev") !=
          std::string::npos);
    CHECK(refusal({{"hide", Strings{"home"}}}).starts_with("hide: "));
}

TEST_CASE("chroot: mount points are made only in the jail's own file systems", "[plugin][chroot]") {
    const FakeHost host = planned(
        {{"binds", Strings{"/srv/a:/run/a", "/srv/b:/opt/b", "/srv/c:/tmp/c", "/home/me/site"}}});
    CHECK((host.find(JSV_OP_BIND, "/srv/a")->flags & JSV_MOUNT_CREATE) != 0);
    CHECK((host.find(JSV_OP_BIND, "/srv/c")->flags & JSV_MOUNT_CREATE) != 0);
    CHECK((host.find(JSV_OP_BIND, "/srv/b")->flags & JSV_MOUNT_CREATE) == 0);
    // A hidden tree that holds something shown is an empty tmpfs instead of a mask.
    CHECK((host.find(JSV_OP_BIND, "/home/me/site")->flags & JSV_MOUNT_CREATE) != 0);
    CHECK(host.find(JSV_OP_MASK, "/home") == nullptr);
    CHECK(index_of(host, JSV_OP_TMPFS, "/home") < index_of(host, JSV_OP_BIND, "/home/me/site"));
}

TEST_CASE("chroot: the supervisor's directories are hidden wherever a bind shows them",
          "[plugin][chroot][S2.3]") {
    const FakeHost host = planned({{"binds", Strings{"/var:/data"}}});
    CHECK(host.find(JSV_OP_MASK, "/data/lib/jailsvc") != nullptr);
    CHECK(index_of(host, JSV_OP_BIND, "/var") < index_of(host, JSV_OP_MASK, "/data/lib/jailsvc"));
    CHECK(planned({{"binds", Strings{"/var/lib/jail:/data"}}}).find(JSV_OP_MASK, "/data") ==
          nullptr);
    for (const auto* own :
         {"/var/lib/jailsvc", "/var/lib/jailsvc/uids:/x", "/run/jailsvc/control"}) {
        CHECK(refusal({{"binds_ro", Strings{own}}}).find("which no jail may see") !=
              std::string::npos);
    }
    CHECK(refusal({{"state_directory", Strings{"jailsvc"}}}).find("which no jail may see") !=
          std::string::npos);
    const FakeHost image = planned({{"mode", "directory"s}, {"root", "/var/lib"s}});
    CHECK(image.find(JSV_OP_MASK, "/jailsvc") != nullptr);
}

TEST_CASE("chroot: directories are made, bound and named in the environment",
          "[plugin][chroot][S4.3]") {
    const FakeHost host = planned(
        {{"state_directory", Strings{"web", "web/extra"}}, {"runtime_directory", Strings{"web"}}});
    const auto* made = host.find(JSV_OP_HOST_DIRECTORY, "/var/lib/web");
    REQUIRE(made != nullptr);
    CHECK(made->stage == JSV_STAGE_PARENT);
    CHECK(made->number[0] == 0700);
    CHECK(made->flags == 0);
    REQUIRE(host.find(JSV_OP_BIND, "/var/lib/web") != nullptr);
    CHECK(host.find(JSV_OP_BIND, "/var/lib/web")->flags == kSafe);
    REQUIRE(host.find(JSV_OP_ENVIRONMENT, "STATE_DIRECTORY") != nullptr);
    CHECK(host.find(JSV_OP_ENVIRONMENT, "STATE_DIRECTORY")->text[1] ==
          "/var/lib/web:/var/lib/web/extra");
    REQUIRE(host.find(JSV_OP_HOST_DIRECTORY, "/run/web") != nullptr);
    CHECK(host.find(JSV_OP_HOST_DIRECTORY, "/run/web")->flags == JSV_DIR_RECREATE);
    CHECK((host.find(JSV_OP_BIND, "/run/web")->flags & JSV_MOUNT_CREATE) != 0);
    for (const auto* bad : {"", "/web", "..", "a/../b", "a//b", "a/", "a:b", "."}) {
        INFO(bad);
        CHECK(refusal({{"state_directory", Strings{bad}}}).starts_with("state_directory: \""));
    }
}

TEST_CASE("chroot: an image finds its directories in the usual places", "[plugin][chroot]") {
    FakeHost host =
        with({{"mode", "directory"s}, {"root", "/srv/web"s}, {"state_directory", Strings{"web"}}});
    host.roots["state"] = "/tmp/s/units/state";
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    const auto* bind = host.find(JSV_OP_BIND, "/tmp/s/units/state/web");
    REQUIRE(bind != nullptr);
    CHECK(bind->text[1] == "/var/lib/web");
    CHECK((bind->flags & JSV_MOUNT_CREATE) != 0);
    host.keys = {{"mode", "none"s}, {"state_directory", Strings{"web"}}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.of_kind(JSV_OP_BIND).empty());
    CHECK(host.find(JSV_OP_ENVIRONMENT, "STATE_DIRECTORY")->text[1] == "/tmp/s/units/state/web");
}

TEST_CASE("chroot: a tmpfs takes a size and a mode", "[plugin][chroot]") {
    const FakeHost host =
        planned({{"tmpfs", Strings{"/scratch:size=64M,mode=0700", "/tmp:mode=01777"}}});
    CHECK(host.find(JSV_OP_TMPFS, "/scratch")->number[0] == 64 << 20);
    CHECK(host.find(JSV_OP_TMPFS, "/scratch")->number[1] == 0700);
    const auto all = host.of_kind(JSV_OP_TMPFS);
    CHECK(std::ranges::count(all, "/tmp", [](const auto& op) { return op.text[0]; }) == 1);
    for (const auto* bad : {"/x:", "/x:size=", "/x:size=0", "/x:size=1X", "/x:mode=9", "/x:uid=0",
                            "/x:size=1M,", "/x:mode=04755"}) {
        INFO(bad);
        CHECK(refusal({{"tmpfs", Strings{bad}}}).starts_with("tmpfs: \""));
    }
    CHECK(planned({{"tmp", false}}).find(JSV_OP_TMPFS, "/tmp") == nullptr);
}

TEST_CASE("chroot: a network of its own is shown by a /sys of its own", "[plugin][chroot]") {
    FakeHost host = with({});
    const auto plan = [&host] { REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0); };
    plan();
    CHECK(host.of_kind(JSV_OP_SYSFS).empty());  // control: the host's network
    host.other_texts["network.mode"] = "private";
    plan();
    REQUIRE(host.of_kind(JSV_OP_SYSFS).size() == 1);
    CHECK(host.of_kind(JSV_OP_SYSFS)[0].text[0] == "/sys");
    CHECK((host.of_kind(JSV_OP_SYSFS)[0].flags & JSV_MOUNT_READ_ONLY) != 0);
    CHECK(index_of(host, JSV_OP_SYSFS, "/sys") < index_of(host, JSV_OP_MASK, "/sys/firmware"));
    CHECK(host.find(JSV_OP_MASK, "/sys/class/net") == nullptr);
    host.other_flags["namespaces.user"] = true;  // may not mount one
    plan();
    CHECK(host.of_kind(JSV_OP_SYSFS).empty());
    CHECK(host.find(JSV_OP_MASK, "/sys/class/net") != nullptr);
}

TEST_CASE("chroot: in a user namespace what is kept is shown with mapped ids",
          "[plugin][chroot][S4.2]") {
    FakeHost host = with({{"state_directory", Strings{"web"}},
                          {"runtime_directory", Strings{"web"}},
                          {"binds", Strings{"/srv/web"}}});
    const auto mapped = [&host](const char* source) {
        return (host.find(JSV_OP_BIND, source)->flags & JSV_MOUNT_IDMAP) != 0;
    };
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK_FALSE(mapped("/var/lib/web"));  // control
    host.other_flags["namespaces.user"] = true;
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(mapped("/var/lib/web"));
    CHECK_FALSE(mapped("/run/web"));
    CHECK_FALSE(mapped("/srv/web"));
}
