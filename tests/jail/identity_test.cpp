// Whose ids are whose: ranges of user namespaces, and owners of what units keep on the host.

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "base/sys.hpp"
#include "jail_fixture.hpp"
#include "jailed.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
using Catch::Matchers::Contains;
using jailer::test::make_op;
using jailer::test::make_plan;
using jailer::test::TempDirectory;

namespace {

const std::string kMapped =
    "[jail.namespaces]\nuser = true\n[jail.identity]\ndynamic_user = false\nuser = \"root\"\n"
    "capabilities = [\"chown\"]\n";

/// First host id of a process's user namespace.
std::uint32_t first_id(pid_t pid) {
    std::ifstream map("/proc/" + std::to_string(pid) + "/uid_map");
    std::uint32_t inside = 1, outside = 0;
    map >> inside >> outside;
    REQUIRE(inside == 0);
    return outside;
}

std::uint32_t number_of(const std::string& file, const std::string& unit) {
    std::ifstream lines(file);
    std::string name;
    for (std::uint32_t number = 0; lines >> name >> number;) {
        if (name == unit) return number;
    }
    FAIL(unit << " is not in " << file);
    return 0;
}

struct stat stat_of(const std::string& path) {
    struct stat status{};
    INFO(path);
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status;
}

std::string unit(const std::string& script, const std::string& jail) {
    return "[service]\nexec_start = [\"/bin/sh\", \"-c\", '''" + script + "''']\n" + jail;
}

/// What `body` says, in a process with a mount namespace of its own.
std::string apart(const std::function<std::string()>& body) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd out(ends[0]);
    Fd in(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
        const bool own = ::unshare(CLONE_NEWNS) == 0 &&
                         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        const std::string said = own ? body() : "skipped: no mount namespace";
        (void)!::write(in.get(), said.data(), said.size());
        ::_exit(0);
    }
    in = Fd();
    std::string said;
    char buffer[512];
    for (ssize_t n = 0; (n = ::read(out.get(), buffer, sizeof buffer)) > 0;) {
        said.append(buffer, static_cast<std::size_t>(n));
    }
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    return said;
}

/// A user namespace with a range of its own, and a kept directory that is bound to /kept.
jailer::CompiledPlan keeping(const std::string& directory, bool mapped = true) {
    std::vector<jailer::Op> ops = jailer::test::default_plan().ops;
    const std::uint32_t flags = mapped ? JSV_MOUNT_IDMAP : 0U;
    ops.push_back(make_op(JSV_OP_HOST_DIRECTORY, {.number = {0700}, .text = {directory}}));
    ops.push_back(make_op(JSV_OP_NAMESPACE, {.number = {CLONE_NEWUSER}}));
    ops.push_back(
        make_op(JSV_OP_ID_MAP, {.flags = JSV_ID_MAP_OWN, .text = {"0 0 65536\n", "0 0 65536\n"}}));
    ops.push_back(make_op(JSV_OP_BIND,
                          {.flags = flags | JSV_MOUNT_CREATE, .text = {directory, "/run/kept"}}));
    auto plan = jailer::CompiledPlan::make(make_plan(std::move(ops)));
    REQUIRE(plan);
    return std::move(*plan);
}

constexpr jailer::ResolvedIds kIds{.uid = 7, .gid = 7, .range = 600U << 16, .keeper = 61999};

}  // namespace

TEST_CASE("identity: a user namespace has host ids that no other unit has, for ever",
          "[identity][S4.2][S2.8]") {
    if (!can_jail()) return;
    JailerWorld world;
    const std::string sleeps = unit("exec sleep 1000", kMapped);
    world.write_unit("one", sleeps);
    world.write_unit("two", sleeps);
    const std::string shared = "uid_map = [\"0 700000 65536\"]\ngid_map = [\"0 700000 65536\"]\n";
    std::string fixed = sleeps;
    fixed.insert(fixed.find("[jail.identity]"), shared);
    world.write_unit("three", fixed);
    world.write_unit("four", fixed);
    world.start_jailer();
    ipc::Token token = 1;
    const auto start = [&](const char* name) {
        world.start(token, name);
        world.wait_started(token);
        return first_id(world.registered_stub(token++));
    };
    const std::uint32_t one = start("one"), two = start("two");
    CHECK(one >= 524288);
    CHECK(one % 65536 == 0);
    CHECK(one != two);
    CHECK(start("three") == start("four"));  // control: maps of the units' own
    world.teardown(1, "one");
    world.wait_torn_down(1);
    world.kill_jailer();
    world.start_jailer();
    CHECK(start("one") == one);
}

TEST_CASE("identity: what a unit keeps belongs on the host to the uid it has for ever",
          "[identity][S4.2][S4.3]") {
    if (!can_jail()) return;
    JailerWorld world;
    const std::string directory = "[jail.chroot]\nstate_directory = [\"kept\"]\n";
    const std::string script =
        "cd $STATE_DIRECTORY; stat -c %%u . > seen; echo mine > file; echo theirs > other; "
        "chown 33:34 other";
    world.write_unit("keeper", unit(script, directory + kMapped));
    world.start_jailer();
    world.start(1, "keeper");
    CHECK(world.wait_exit(1) == 0);
    const std::string kept = world.places.state_root + "/kept";
    const std::uint32_t range = number_of(world.places.lib + "/id-ranges", "keeper") * 65536;
    const std::uint32_t uid = number_of(world.places.lib + "/uids", "keeper");
    CHECK(sys::read_file(kept + "/seen").value() == "0\n");
    CHECK((stat_of(kept).st_mode & 07777U) == 0700);
    CHECK(stat_of(kept).st_uid == uid);
    CHECK(stat_of(kept + "/file").st_uid == uid);
    CHECK(stat_of(kept + "/other").st_uid == range + 33);
    CHECK(stat_of(kept + "/other").st_gid == range + 34);
    world.teardown(1, "keeper");
    world.wait_torn_down(1);

    // Without a user namespace the same files are the same unit's, with nothing changed on the
    // host.
    const auto before = stat_of(kept + "/file").st_ctim;
    world.write_unit("keeper",
                     unit("cat $STATE_DIRECTORY/file > $STATE_DIRECTORY/again", directory));
    world.start(2, "keeper");
    CHECK(world.wait_exit(2) == 0);
    CHECK(sys::read_file(kept + "/again").value_or("") == "mine\n");
    CHECK(stat_of(kept + "/again").st_uid == uid);
    CHECK(stat_of(kept + "/file").st_ctim.tv_nsec == before.tv_nsec);
}

TEST_CASE("identity: a directory that was another's becomes the unit's, and what they had in it",
          "[identity][S4.2]") {
    if (!can_jail()) return;
    JailerWorld world;
    const std::string kept = world.places.state_root + "/kept";
    REQUIRE(std::system(("mkdir -p " + kept + "/a/b && touch " + kept + "/a/b/f " + kept +
                         "/root && ln -s /etc/passwd " + kept + "/a/link && chown -hR 4711:4712 " +
                         kept + " && chown 0:0 " + kept + "/root && chmod 4755 " + kept + "/a/b/f")
                            .c_str()) == 0);
    const auto passwd = stat_of("/etc/passwd");
    world.write_unit("heir",
                     unit("exec sleep 1000", "[jail.chroot]\nstate_directory = [\"kept\"]\n"));
    world.start_jailer();
    world.start(1, "heir");
    world.wait_started(1);
    const std::uint32_t uid = number_of(world.places.lib + "/uids", "heir");
    for (const char* file : {"", "/a", "/a/b", "/a/b/f", "/a/link"}) {
        CHECK(stat_of(kept + file).st_uid == uid);
        CHECK(stat_of(kept + file).st_gid == uid);
    }
    CHECK((stat_of(kept + "/a/b/f").st_mode & 07777U) == 0755);  // of somebody else's uid no more
    CHECK(stat_of(kept + "/root").st_uid == 0);                  // was not the former owner's
    CHECK(stat_of("/etc/passwd").st_uid == passwd.st_uid);       // no link is followed
    CHECK(stat_of("/etc/passwd").st_ctim.tv_nsec == passwd.st_ctim.tv_nsec);
}

TEST_CASE("identity: a handover that was interrupted is done again", "[identity]") {
    if (!can_jail()) return;
    const TempDirectory base;
    const std::string kept = base.path() + "/kept";
    // More levels than are followed: the directory itself stays the former owner's.
    std::string deep = kept;
    for (int i = 0; i < 250; ++i) deep += "/d";
    REQUIRE(std::system(("mkdir -p " + deep + " && chown -R 4711:4711 " + kept).c_str()) == 0);
    const auto plan = jailer::CompiledPlan::make(
        make_plan({make_op(JSV_OP_HOST_DIRECTORY, {.number = {0700}, .text = {kept}})}));
    REQUIRE(plan);
    auto work = jailer::apply_parent_operations(*plan, kIds);
    REQUIRE(work);
    REQUIRE(work->handovers.size() == 1);
    const auto given = jailer::hand_over(work->handovers[0]);
    REQUIRE_FALSE(given);
    CHECK_THAT(given.error().message, Contains("more than 200 directories"));
    CHECK(stat_of(kept).st_uid == 4711);
    REQUIRE(std::system(("rm -r " + kept + "/d/d").c_str()) == 0);
    work = jailer::apply_parent_operations(*plan, kIds);
    REQUIRE(work);
    REQUIRE(work->handovers.size() == 1);
    REQUIRE(jailer::hand_over(work->handovers[0]));
    CHECK(stat_of(kept).st_uid == 7);
    CHECK(stat_of(kept + "/d").st_uid == 7);
    work = jailer::apply_parent_operations(*plan, kIds);
    REQUIRE(work);
    CHECK(work->handovers.empty());
}

TEST_CASE("identity: where a file system cannot map ids its files are given away, and it is said",
          "[identity]") {
    if (!can_jail()) return;
    const TempDirectory base;
    const auto facts = [&](const std::string& kept) {
        const auto plan = keeping(kept);
        auto work = jailer::apply_parent_operations(plan, kIds);
        if (!work) return "failed: " + work.error().text;
        for (const auto& one : work->handovers) {
            if (auto given = jailer::hand_over(one); !given) return given.error().message;
        }
        struct stat status{};
        (void)::stat(kept.c_str(), &status);
        return std::to_string(status.st_uid) + (work->trees.empty() ? " plain" : " mapped") +
               (work->notes.empty() ? "" : " " + work->notes[0]);
    };
    const std::string on_overlay = apart([&] {
        for (const char* part : {"/low", "/up", "/work", "/over"}) {
            (void)::mkdir((base.path() + part).c_str(), 0755);
        }
        const std::string options = "lowerdir=" + base.path() + "/low,upperdir=" + base.path() +
                                    "/up,workdir=" + base.path() + "/work";
        const std::string over = base.path() + "/over";
        if (::mount("overlay", over.c_str(), "overlay", 0, options.c_str()) == -1) {
            return std::string("skipped: no overlayfs here");
        }
        return facts(over + "/kept");
    });
    if (on_overlay.starts_with("skipped")) {
        WARN(on_overlay);
        return;
    }
    const std::string user = std::to_string(kIds.range + 7);
    CHECK_THAT(on_overlay, Catch::Matchers::StartsWith(user + " plain"));
    CHECK_THAT(on_overlay, Contains("given to uid " + user));
    CHECK(facts(base.path() + "/kept") == "61999 mapped");  // control: the same, where it can
    // What an upper layer got there is still seen by its jail, now mapped.
    CHECK(stat_of(base.path() + "/up/kept").st_uid == kIds.range + 7);
    CHECK(facts(base.path() + "/up/kept") == "61999 mapped");
}

TEST_CASE("identity: a directory that the jail sees as another's is refused", "[identity][S2.10]") {
    if (!can_jail()) return;
    const TempDirectory base;
    const auto wanted = keeping(base.path() + "/kept");
    const auto outcome = [&](const jailer::CompiledPlan& applied) -> std::string {
        auto work = jailer::apply_parent_operations(wanted, kIds);
        REQUIRE(work);
        const bool mapped = applied.find(JSV_OP_BIND)->flags == wanted.find(JSV_OP_BIND)->flags;
        if (!mapped) work->trees.clear();
        auto stub = jailer::spawn_stub(jailer::test::spawn_context(), applied, kIds, -1, {}, -1,
                                       work->trees);
        REQUIRE(stub);
        REQUIRE(jailer::test::await_report(applied, *stub).kind == jailer::Report::Kind::kReady);
        const auto held =
            jailer::attest_jail(jailer::test::spawn_context(), wanted, kIds, stub->pid);
        (void)sys::pidfd_signal(stub->pidfd.get(), SIGKILL);
        (void)jailer::test::await_end(*stub);
        return held ? "holds" : jailer::describe(wanted.plan(), held.error());
    };
    CHECK(outcome(wanted) == "holds");  // control
    CHECK_THAT(outcome(keeping(base.path() + "/kept", false)),
               Contains("/run/kept: belongs to 61999:61999, not"));
}

TEST_CASE("identity: a tree keeps its owner, who is root in the jail", "[identity][S4.2]") {
    if (!can_jail()) return;
    Site site;
    const std::string tree = site.directory() + "/open/tree";
    for (const char* part :
         {"/dev", "/proc", "/run", "/tmp", "/var/tmp", "/usr", "/bin", "/lib", "/lib64"}) {
        REQUIRE(sys::make_directories(tree + part));
    }
    const auto in_tree = [&](const std::string& more, const std::string& script,
                             const std::string& maps = "") {
        std::string jail = kMapped;
        jail.insert(jail.find("[jail.identity]"), maps);
        return site.run("[jail.chroot]\nmode = \"directory\"\nhide = []\nroot = \"" + tree +
                            "\"\nbinds_ro = [\"/usr\", \"/usr/bin:/bin\", \"/usr/lib:/lib\", "
                            "\"/usr/lib64:/lib64\"]\n" +
                            more + jail,
                        script);
    };
    const std::string writable = "read_only = false\n";
    // A set-user-ID file that the jail makes would be root's on the host.
    CHECK_THAT(in_tree(writable, "true").error, Contains("belongs to 0:0") && Contains("chown -R"));
    const Ran shown = in_tree("", "stat -c %u:%g /");
    CHECK(shown.error == "");
    CHECK(shown.output == "0:0\n");
    REQUIRE(::chown(tree.c_str(), 200000, 200000) == 0);
    const Ran made =
        in_tree(writable, "stat -c %u:%g /; : > /made; : > /other; chown 33:34 /other");
    CHECK(made.error == "");
    CHECK(made.output == "0:0\n");
    CHECK(stat_of(tree + "/made").st_uid == 200000);
    CHECK(stat_of(tree + "/other").st_uid == 200033);
    CHECK(stat_of(tree + "/other").st_gid == 200034);
    // Control: with maps of its own the unit sees whom the tree belongs to.
    const std::string maps = "uid_map = [\"0 300000 65536\"]\ngid_map = [\"0 300000 65536\"]\n";
    const Ran plain = in_tree(writable, "stat -c %u:%g /; (: > /denied) 2>&1 || true", maps);
    CHECK(plain.error == "");
    CHECK_THAT(plain.output, Catch::Matchers::StartsWith("65534:65534\n") && Contains("denied"));
}
