// The view of [jail.unveil], seen by programs in jails. Each case has its negative control: the
// same program without the wall.

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "jail_fixture.hpp"
#include "jailed.hpp"

using namespace jailsvc::test;
using Catch::Matchers::Contains;

namespace {

#define NEED_ROOT \
    if (!can_jail()) return

const std::string kPrograms =
    "\"/usr\" = \"rx\"\n\"/bin\" = \"rx\"\n\"/lib\" = \"rx\"\n\"/lib64\" = \"rx\"\n"
    "\"/dev/null\" = \"rw\"\n\"/proc\" = \"r\"\n";
/// The view by itself.
const std::string kViewOnly = "[jail.unveil]\nlandlock = false\n" + kPrograms;
/// Root with the power to pass over modes: what stops it is the view alone.
const std::string kRoot =
    "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"root\"\n"
    "capabilities = [\"dac_override\"]\n";

std::string say(Site& site, const std::string& jail, const std::string& script) {
    const Ran ran = site.run(jail, script);
    INFO(jail << "\n" << script);
    REQUIRE(ran.error == "");
    return ran.output;
}

std::string make_tree(const Site& site) {
    const std::string tree = site.directory() + "/open/tree";
    for (const char* name : {"/../../open", "", "/shown", "/shown/inner", "/other"}) {
        (void)::mkdir((tree + name).c_str(), 0755);
        std::ofstream(tree + name + "/file") << "#!/bin/sh\necho executed\n";
        (void)::chmod((tree + name + "/file").c_str(), 0755);
    }
    return tree;
}

}  // namespace

TEST_CASE("unveil: what is not listed does not exist", "[unveil][view][S2.5][S0.14]") {
    NEED_ROOT;
    Site site;
    const std::string tree = make_tree(site);
    const std::string script = "for p in /etc/passwd /root /home /sys /dev/zero /tmp /run " + tree +
                               "/other " + tree +
                               "/shown/file; do [ -e $p ] && echo $p; done; "
                               "cat /etc/passwd; ls /; echo; ls " +
                               tree;
    const std::string jail = kRoot + kViewOnly + "\"" + tree + "/shown\" = \"r\"\n";
    const std::string seen = say(site, jail, script);
    CHECK_THAT(seen, Contains(tree + "/shown/file\n") && Contains("No such file or directory"));
    CHECK_THAT(seen, Contains("bin\ndev\nlib\nlib64\nproc\nusr\nvar\n\nshown\n"));
    for (const char* hidden : {"/root\n", "/sys\n", "/dev/zero\n", "/tmp\n", "other"}) {
        CHECK_THAT(seen, !Contains(hidden));
    }
    const std::string open = say(site, kRoot, script);  // control
    CHECK_THAT(open, Contains("/dev/zero\n") && Contains(tree + "/other\n") && Contains("root:"));
}

TEST_CASE("unveil: without w and c a path is read-only, without x nothing in it runs",
          "[unveil][view][S2.5]") {
    NEED_ROOT;
    Site site;
    const std::string tree = make_tree(site);
    const std::string bind = "[jail.chroot]\nbinds = [\"" + tree + "\"]\n";
    const std::string script = "cd " + tree +
                               "/shown; echo x > new && echo made; echo x > inner/new && echo made "
                               "inside; ./file; inner/file; mv inner/file . && echo moved; true";
    const auto with = [&](const std::string& outer, const std::string& inner) {
        return say(site,
                   kRoot + bind + kViewOnly + "\"" + tree + "/shown\" = \"" + outer + "\"\n\"" +
                       tree + "/shown/inner\" = \"" + inner + "\"\n",
                   script);
    };
    CHECK_THAT(with("r", "r"), Contains("Read-only file system") && !Contains("made") &&
                                   Contains("Permission denied") && !Contains("executed"));
    const std::string narrower = with("rwxc", "r");  // the more specific one wins
    CHECK_THAT(narrower, Contains("made\n") && !Contains("made inside") && Contains("executed\n") &&
                             Contains("inner/file: Permission denied") && !Contains("moved"));
    const std::string wider = with("r", "rwxc");
    CHECK_THAT(wider, !Contains("made\n") && Contains("made inside\n") && Contains("executed\n") &&
                          Contains("./file: Permission denied"));
}

TEST_CASE("unveil: a path with no permission is shown empty inside another", "[unveil][view]") {
    NEED_ROOT;
    Site site;
    const std::string tree = make_tree(site);
    const auto list = [&](const std::string& more) {
        return say(site, kRoot + kViewOnly + "\"" + tree + "\" = \"r\"\n" + more,
                   "ls " + tree + "/shown");
    };
    CHECK(list("\"" + tree + "/shown\" = \"\"\n").empty());
    CHECK(list("") == "file\ninner\n");  // control
}

TEST_CASE("unveil: links on the way are there, and lead nowhere else", "[unveil][view][S2.5]") {
    NEED_ROOT;
    Site site;
    const std::string tree = make_tree(site);
    REQUIRE(::symlink("shown/inner", (tree + "/link").c_str()) == 0);
    REQUIRE(::symlink((tree + "/link").c_str(), (site.directory() + "/open/far").c_str()) == 0);
    const std::string far = site.directory() + "/open/far";
    const std::string script = "cat " + far + "/file > /dev/null && readlink " + far + " " + tree +
                               "/link; ls " + tree + " " + tree + "/shown";
    const std::string seen = say(site, kRoot + kViewOnly + "\"" + far + "\" = \"r\"\n", script);
    CHECK_THAT(seen, Contains(tree + "/link\nshown/inner\n"));
    CHECK_THAT(seen, Contains(":\nlink\nshown\n") && Contains("/shown:\ninner\n"));
    // Planted by a service, in a directory of its own: it may not choose what is shown.
    REQUIRE(::lchown((tree + "/link").c_str(), 65534, 65534) == 0);
    const Ran planted = site.run(kRoot + kViewOnly + "\"" + far + "\" = \"r\"\n", "true");
    CHECK_THAT(planted.error, Contains("somebody other than root"));
    REQUIRE(::lchown((tree + "/link").c_str(), 0, 0) == 0);
    CHECK(site.run(kRoot + kViewOnly + "\"" + far + "\" = \"r\"\n", "true").error == "");
}

TEST_CASE("unveil: a link in a hostile root leads nowhere outside it", "[unveil][view][S2.3]") {
    NEED_ROOT;
    using namespace jailsvc::jailer;
    using namespace jailsvc::jailer::test;
    const TempDirectory root;
    const TempDirectory outside;
    std::ofstream(outside.path() + "/secret") << "secret\n";
    for (const char* name : {"/usr", "/bin", "/lib", "/lib64"}) {
        REQUIRE(::mkdir((root.path() + name).c_str(), 0755) == 0);
    }
    REQUIRE(::symlink(("../../../.." + outside.path()).c_str(), (root.path() + "/up").c_str()) ==
            0);
    REQUIRE(::symlink(outside.path().c_str(), (root.path() + "/away").c_str()) == 0);
    const auto plan = [&](const char* shown, bool in_view) {
        std::vector<Op> ops = usual_namespaces();
        ops.push_back(make_op(JSV_OP_ROOT, {.flags = JSV_MOUNT_NOSUID, .text = {root.path()}}));
        for (const char* name : {"/usr", "/bin", "/lib", "/lib64"}) {
            ops.push_back(make_op(
                JSV_OP_BIND,
                {.flags = JSV_MOUNT_READ_ONLY,
                 .text = {std::string("/usr") + (name == std::string("/usr") ? "" : name), name}}));
        }
        if (!in_view) return make_plan(std::move(ops));
        ops.push_back(make_op(JSV_OP_VIEW));
        for (const char* name : {"/bin", "/lib", "/lib64", "/usr", shown}) {
            ops.push_back(make_op(JSV_OP_REVEAL, {.flags = JSV_MOUNT_READ_ONLY, .text = {name}}));
        }
        return make_plan(std::move(ops));
    };
    for (const char* shown : {"/up", "/away"}) {
        const jailsvc::jailer::test::Jail jail(plan(shown, true));
        INFO(jail.why());
        CHECK_FALSE(jail.stands());
        CHECK_THAT(jail.why(), Contains("No such file"));
    }
    jailsvc::jailer::test::Jail control(plan("/usr/bin", true));
    INFO(control.why());
    REQUIRE(control.stands());
    CHECK(control.shell("[ -e /up ] || echo none").output == "none\n");
}

TEST_CASE("unveil: no way out of the view by /proc, descriptors or a chroot",
          "[unveil][view][escape][S2.3]") {
    NEED_ROOT;
    Site site;
    make_tree(site);
    const std::string script =
        "for p in /proc/self/root /proc/1/root /proc/self/cwd/../../.. /../..; do "
        "[ -e $p/etc/passwd ] && echo out by $p; done; ls /proc/self/fd | tr '\\n' ' '";
    const std::string said = say(site, kRoot + kViewOnly, script);
    CHECK_THAT(said, !Contains("out by"));
    CHECK_THAT(say(site, kRoot, script), Contains("out by /proc/self/root"));  // control
}

TEST_CASE("unveil: with libraries a program finds what it needs", "[unveil][libraries][S4.5]") {
    NEED_ROOT;
    if (!has_landlock(3)) return;
    Site site;
    const std::string script = "echo runs; [ -e /etc/passwd ] || [ -e /usr/share ] || echo alone";
    CHECK(say(site, "[jail.unveil]\nlibraries = true\n", script) == "runs\nalone\n");
    const Ran without = site.run("[jail.unveil]\n\"/bin/sh\" = \"x\"\n", script);  // control
    CHECK_THAT(without.error + without.output, !Contains("runs"));
}

TEST_CASE("unveil: real programs run with their libraries and little more",
          "[unveil][libraries][S4.5]") {
    NEED_ROOT;
    if (!has_landlock(3)) return;
    Site site;
    const auto runs = [&](const std::string& program, const std::string& more,
                          const std::string& command) {
        if (::access(program.c_str(), X_OK) != 0) {
            WARN("skipped: " << program << " is not installed");
            return std::string("skipped");
        }
        // The program as one of the unit's commands, so that its libraries are found.
        const std::string jail = "exec_stop = [\"" + program +
                                 "\"]\n[jail.unveil]\nlibraries = true\n"
                                 "\"/dev/null\" = \"rw\"\n" +
                                 more;
        const Ran ran = site.run(jail, command);
        INFO(program << ": " << ran.error << ran.output);
        CHECK(ran.error == "");
        return ran.output;
    };
    CHECK_THAT(runs("/usr/bin/python3",
                    "\"-/usr/lib/python3\" = \"r\"\n\"-/usr/lib/python3.11\" = \"rx\"\n",
                    "/usr/bin/python3 -c 'import json, zlib; print(json.dumps([1]))'"),
               Contains("[1]") || Contains("skipped"));
    CHECK_THAT(runs("/usr/bin/curl", "", "/usr/bin/curl --version"),
               Contains("libcurl") || Contains("skipped"));
    CHECK_THAT(runs("/usr/bin/redis-server", "", "/usr/bin/redis-server --version"),
               Contains("Redis server") || Contains("skipped"));
    CHECK_THAT(runs("/usr/sbin/nginx", "", "/usr/sbin/nginx -v 2>&1"),
               Contains("nginx version") || Contains("skipped"));
}

TEST_CASE("unveil: a view that shows more than it should is found", "[unveil][view][S2.10]") {
    NEED_ROOT;
    using namespace jailsvc::jailer;
    using namespace jailsvc::jailer::test;
    const auto plan = [](std::uint32_t flags, bool extra) {
        Plan made = default_plan();
        const auto process = std::ranges::find(made.ops, JSV_OP_RLIMIT, &Op::kind);
        std::vector<Op> ops = {make_op(JSV_OP_VIEW)};
        for (const char* name : {"/bin", "/lib", "/lib64", "/proc", "/usr"}) {
            ops.push_back(make_op(JSV_OP_REVEAL, {.flags = JSV_MOUNT_READ_ONLY, .text = {name}}));
        }
        ops.push_back(make_op(JSV_OP_REVEAL, {.flags = flags, .text = {"/tmp"}}));
        if (extra) {
            ops.push_back(make_op(JSV_OP_REVEAL, {.flags = JSV_MOUNT_READ_ONLY, .text = {"/etc"}}));
        }
        made.ops.insert(process, ops.begin(), ops.end());
        return made;
    };
    const auto verdict = [](Plan applied, Plan wanted) {
        jailsvc::jailer::test::Jail jail(std::move(applied));
        INFO(jail.why());
        REQUIRE(jail.stands());
        const auto compiled = CompiledPlan::make(std::move(wanted));
        REQUIRE(compiled);
        const auto seen = attest_jail(spawn_context(), *compiled, {}, jail.stub());
        return seen ? std::string("holds") : seen.error().text;
    };
    constexpr std::uint32_t kReadOnly = JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOEXEC;
    CHECK(verdict(plan(kReadOnly, false), plan(kReadOnly, false)) == "holds");  // control
    CHECK_THAT(verdict(plan(kReadOnly, true), plan(kReadOnly, false)), Contains("/etc: a"));
    CHECK_THAT(verdict(plan(kReadOnly, false), plan(kReadOnly, true)),
               Contains("/etc: is not shown"));
    CHECK_THAT(verdict(plan(0, false), plan(kReadOnly, false)), Contains("/tmp: mounted rw"));
    CHECK_THAT(verdict(plan(0, false), default_plan()), !Contains("holds"));
    CHECK_THAT(verdict(default_plan(), plan(kReadOnly, false)), Contains("the root is a"));
}
